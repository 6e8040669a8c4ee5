"""Diagrams of models as SVG, drawn from the built models: `python -m ctrzoo.experiments.diagrams`."""
