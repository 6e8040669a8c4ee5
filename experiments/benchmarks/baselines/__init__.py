"""What the zoo's models are measured against. Each module has `prepare(work)`, which returns what is timed."""
