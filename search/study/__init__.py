"""The study spec: what it may say, and what is refused before anything is written."""
