"""Names of types that Keras and TensorFlow do not give, for hints."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, TypeAlias

# A tensor of the backend, a symbolic one of Keras, or a NumPy array: Keras has no common type for them.
Tensor: TypeAlias = Any
# The features of a batch: `{"ids": (batch, slots), "values": (batch, slots)}`.
Features: TypeAlias = Mapping[str, Tensor]
# A shape as Keras gives it, of sizes that are int, or None where not known yet; or shapes of several tensors.
Shape: TypeAlias = tuple[Any, ...]
# What names a file or folder.
Path: TypeAlias = str | os.PathLike[str]
# What JSON can hold, by name: configurations of layers, settings, options.
Config: TypeAlias = dict[str, Any]
# What names an activation, an initializer or a regularizer, or is one, as Keras' layers take them.
Activation: TypeAlias = Any
Initializer: TypeAlias = Any
Regularizer: TypeAlias = Any
# What names a dtype policy of Keras, such as `"mixed_bfloat16"`, or is one; None stands for the global policy.
DType: TypeAlias = Any
