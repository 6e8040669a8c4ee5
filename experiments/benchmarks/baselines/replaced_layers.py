"""Build a model of the zoo with some of its layers replaced."""

import contextlib
import sys
from collections.abc import Iterator
from unittest import mock


@contextlib.contextmanager
def replaced_layers(**layers: type) -> Iterator[None]:
    """Within this context, let modules of `ctrzoo` find other classes under the given names.

    >>> from ctrzoo import layers, models
    >>> with replaced_layers(FieldEmbedding=int):
    ...     models.fm.FieldEmbedding
    <class 'int'>
    """
    with contextlib.ExitStack() as stack:
        for name, module in list(sys.modules.items()):
            if name.split(".")[0] == "ctrzoo":
                for layer, other in layers.items():
                    if layer in vars(module):
                        stack.enter_context(mock.patch.object(module, layer, other))
        yield
