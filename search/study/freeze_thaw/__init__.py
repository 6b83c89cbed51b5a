"""Freeze-thaw: pause trials and go on with the most promising, by a model of unfinished learning curves."""
