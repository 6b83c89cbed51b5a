"""The command line: commands parse, call the service and print."""
