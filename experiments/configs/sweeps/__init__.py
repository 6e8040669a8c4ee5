"""Sweeps that reproduce published tables and figures; run one with `ctrzoo-sweep --config=<name>`."""
