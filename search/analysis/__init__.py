"""What a study's trials allow to say: numbers with their intervals, and no pictures."""
