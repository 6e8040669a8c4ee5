"""Settings of synthetic: one file per model, and `defaults.py` for the others."""
