"""FuxiCTR (PyTorch): models connected from its layers, timed with its own training step."""
