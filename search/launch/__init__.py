"""Many workers on one machine: its devices, the places on them, and who keeps those at work."""
