"""Settings of movielens_1m: a file for each model, and `defaults.py` for the others."""
