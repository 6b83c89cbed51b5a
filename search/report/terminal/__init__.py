"""Numbers as a terminal shows them."""
