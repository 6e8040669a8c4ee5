"""What is fast and how fast: measurements of the library."""
