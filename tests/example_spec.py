"""The smallest spec of a search, as its TOML."""

SPEC = """
name = "s"
[data]
name = "digits"
[search]
lr = { low = 1e-4, high = 1e-1, log = true }
[budget]
trials = 4
"""
