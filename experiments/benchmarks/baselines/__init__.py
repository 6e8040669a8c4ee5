"""The baselines for the zoo's models. Each module has `prepare(work)`, which returns the function to time."""
