"""Settings of synthetic: a file for each model, and `defaults.py` for the others."""
