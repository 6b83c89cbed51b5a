"""The networks: their layers, their architectures, their initial weights."""
