"""What is taken where a person says nothing: the same for commands, the API and the workers."""

STORAGE = "sqlite:///winnow.db"
AUTO = "auto"
"""Devices, or workers per device, that Winnow chooses."""
LEASE_SECONDS = 30.0
"""A trial whose worker sends no heartbeat for so long is requeued."""
PROGRESS_MINUTES = 30.0
"""A trainer that reports nothing for so long is taken to hang."""
GRACE_SECONDS = 5.0
"""How long a trainer may go on after a stop was asked for, to reach the end of its epoch."""
