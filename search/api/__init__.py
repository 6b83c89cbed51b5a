"""The public API: what `import winnow` gives, and what the commands call."""
