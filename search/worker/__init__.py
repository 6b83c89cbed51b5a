"""One worker: its supervisor, its trainer, what passes between them, and what becomes of a trial."""
