"""Keras' operations for type checkers. Keras has no hints here, and what is inferred from its code says None."""

from collections.abc import Callable
from typing import Any

def __getattr__(name: str) -> Callable[..., Any]: ...
