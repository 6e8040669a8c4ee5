"""Sweeps that reproduce published tables and figures; `ctrzoo-sweep --config=<name>` finds them by name."""
