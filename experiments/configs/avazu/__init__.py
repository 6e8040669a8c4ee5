"""Settings of avazu: one file per model, and `defaults.py` for the others."""
