"""The dashboard: optuna-dashboard unchanged inside, Winnow's live pages around it, and a lock on the door."""
