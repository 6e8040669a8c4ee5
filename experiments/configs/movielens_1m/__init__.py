"""Settings of movielens_1m: one file per model, and `defaults.py` for the others."""
