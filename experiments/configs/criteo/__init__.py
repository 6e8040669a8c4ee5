"""Settings of criteo: one file per model, and `defaults.py` for the others."""
