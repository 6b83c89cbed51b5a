"""The service: study specs, workers, the fleet, analyses, reports and the command line."""
