"""What is tried next, what is cut short, and when a search has seen enough."""
