"""Training day by day: warm starts next to training from scratch and to no training at all."""
