"""Ready-made study specs. Data only."""
