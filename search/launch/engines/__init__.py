"""Engines that clusters already have: they start, pin and restart workers; the storage alone coordinates trials."""
