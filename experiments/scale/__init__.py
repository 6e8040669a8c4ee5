"""What a training step costs on many devices, and preparation on many executors: measured here, then extrapolated."""
