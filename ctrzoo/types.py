"""Type aliases for hints that Keras and TensorFlow do not define."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, TypeAlias

# A backend tensor, a symbolic Keras tensor, or a NumPy array: Keras has no common type for them.
Tensor: TypeAlias = Any
# The features of a batch: `{"ids": (batch, slots), "values": (batch, slots)}`.
Features: TypeAlias = Mapping[str, Tensor]
# A shape as Keras gives it: each size is an int, or None if not yet known. Or the shapes of several tensors.
Shape: TypeAlias = tuple[Any, ...]
# The path of a file or folder.
Path: TypeAlias = str | os.PathLike[str]
# JSON-serializable values by name: configurations of layers, settings, options.
Config: TypeAlias = dict[str, Any]
# An activation, an initializer or a regularizer, or its name, as Keras layers accept them.
Activation: TypeAlias = Any
Initializer: TypeAlias = Any
Regularizer: TypeAlias = Any
# What names a dtype policy of Keras, such as `"mixed_bfloat16"`, or is one; None stands for the global policy.
DType: TypeAlias = Any
