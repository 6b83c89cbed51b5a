"""Callbacks with which other people's trainers report to a trial; each needs the library that it is for."""
