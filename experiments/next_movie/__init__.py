"""The next-movie experiment: all movies ranked for each query of a user."""
