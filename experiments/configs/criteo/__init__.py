"""Settings of criteo: a file for each model, and `defaults.py` for the others."""
