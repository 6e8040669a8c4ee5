"""Explanations of a model: of single rows, of a split, checked by permutation, and as a report."""

from __future__ import annotations
