"""The kinds of explanations: what a tensor that a model names means, and where it is shown.

A model passes its explanations to `CTRModel` as tensors by name. `KINDS` says what each name means and what its axes
after the rows count. The axes decide what becomes of it:

- Axes that end in `"field", "field"` make a matrix `(rows, fields, fields)`, the mean over the other axes. Matrices
  give the strengths of pairs in the graph, `edges.csv` and `rows.csv`. Each is drawn as a heat map of a row.
- Axes that end in one `"field"` make a vector `(rows, fields)`, the mean over the other axes. A single axis of
  something else makes a vector `(rows, entries)`. A sentence about each row and `row_terms.csv` say its strongest
  entries.
- Other explanations are only in what `explain_rows` returns.

To add a kind, add it here or call `register_kind`. A name that is no kind is shown too: `kind_of` guesses its axes.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

import numpy as np

FIELD = "field"


@dataclasses.dataclass(frozen=True)
class Kind:
    """What the explanations of a name mean.

    Args:
        name: The name that models give the tensor. Layers and orders may be numbered: `"edges"` is the kind of
            `edges_1`, `edges_2`, ... too.
        axes: What each axis after the rows counts, in the singular, such as `("head", "field", "field")`. An axis
            `"field"` has an entry for each field of the schema. Other axes have any length. Without an axis the
            explanation is one number for each row.
        meaning: What an entry says, in words, for the report.
        signed: Whether the sign of an entry counts, as in what a field adds to the logit. Otherwise an entry is a
            weight or a share.
        conclusive: Whether the matrix alone is what the model says of pairs. The model's other matrices, such as
            the attention that it was computed from, then do not count.
        heading: How a sentence about the strongest entries of a vector begins; `{name}` is the full name.

    Raises:
        ValueError: If the name ends in a number, the axes are a string, or a kind that is not of pairs is conclusive.

    >>> Kind("attention", ("head", "field", "field"), "attention of each head").matrix(np.ones((5, 2, 3, 3))).shape
    (5, 3, 3)
    """

    name: str
    axes: tuple[str, ...]
    meaning: str
    signed: bool = False
    conclusive: bool = False
    heading: str = "Strongest entries of {name}"

    def __post_init__(self) -> None:
        if self.name != _without_number(self.name):
            raise ValueError(
                f"A kind has a name without a number, and fits numbered ones too. Received: '{self.name}'. "
                f"Call it '{_without_number(self.name)}'."
            )
        if isinstance(self.axes, str):
            raise ValueError(
                f"The axes of '{self.name}' must be a tuple of names. Received: {self.axes!r}. Write ({self.axes!r},)."
            )
        if self.conclusive and not self.is_of_pairs:
            raise ValueError(
                f"Only a kind of pairs can be conclusive, with axes that end in '{FIELD}', '{FIELD}'. Received: "
                f"'{self.name}' with the axes {self.axes}. Leave `conclusive` out."
            )

    @property
    def is_of_pairs(self) -> bool:
        """Whether each entry belongs to two fields."""
        return self.axes[-2:] == (FIELD, FIELD)

    @property
    def is_of_fields(self) -> bool:
        """Whether each entry belongs to one field."""
        return self.axes[-1:] == (FIELD,) and not self.is_of_pairs

    def fits(self, name: str, shape: Sequence[int | None], num_fields: int) -> bool:
        """Return whether an explanation is of this kind.

        Args:
            name: Its name, with or without a number.
            shape: Its shape for one row.
            num_fields: Number of fields of the schema.

        >>> Kind("edges", ("field", "field"), "weight of each edge").fits("edges_2", (3, 3), num_fields=3)
        True
        """
        return (
            self.name in (name, _without_number(name))
            and len(shape) == len(self.axes)
            and all(size == num_fields for size, axis in zip(shape, self.axes, strict=True) if axis == FIELD)
        )

    def matrix(self, values: np.ndarray) -> np.ndarray | None:
        """Return explanations as `(rows, fields, fields)`, the mean over other axes; None if not of pairs."""
        return values.mean(axis=tuple(range(1, values.ndim - 2))) if self.is_of_pairs else None

    def vector(self, values: np.ndarray) -> np.ndarray | None:
        """Return explanations as `(rows, fields)`, the mean over other axes, or `(rows, entries)` of a single axis.

        Returns:
            The vectors; None for pairs and for several axes without fields.

        >>> Kind("orders", ("order",), "attention over orders").vector(np.ones((5, 4))).shape
        (5, 4)
        """
        if self.is_of_fields or len(self.axes) == 1:
            return values.mean(axis=tuple(range(1, values.ndim - 1)))
        return None

    def labels(self, names: Sequence[str], length: int) -> list[str]:
        """Return what the entries of a vector are called.

        Args:
            names: Field names.
            length: Number of entries.

        >>> Kind("orders", ("order",), "attention over orders").labels(["user", "ad"], 3)
        ['order 1', 'order 2', 'order 3']
        """
        return list(names) if self.is_of_fields else [f"{self.axes[-1]} {number + 1}" for number in range(length)]


def _without_number(name):
    return re.sub(r"_\d+$", "", name)


# All kinds; of two that fit, the first counts. One name may mean several things, which their axes tell apart.
KINDS: list[Kind] = [
    Kind("fields", (FIELD,), "what each field adds to the logit", signed=True, heading="Strongest fields"),
    Kind(
        "with_numbers",
        (FIELD,),
        "the inner product of each field with the vector of the numerical fields",
        signed=True,
        heading="Strongest products with the numerical fields",
    ),
    Kind(
        "pairs",
        (FIELD, FIELD),
        "what each pair adds to the logit, or its strength where the model does not add up pairs",
        signed=True,
        conclusive=True,
    ),
    Kind(
        "field_gates",
        (FIELD,),
        "the gate of each field, the mean over its entries: 0 closes the field",
        heading="Fields with the most open gates in {name}",
    ),
    Kind(
        "parts",
        ("part",),
        "what each part of the model adds to the logit",
        signed=True,
        heading="Strongest parts",
    ),
    Kind("gates", (FIELD, FIELD), "the gate of each pair, zero where it is closed"),
    Kind("edges", (FIELD, FIELD), "the weight of each edge between two fields"),
    Kind("attention", ("head", FIELD, FIELD), "the attention of each field (row) to each field (column), by head"),
    Kind("attention", (FIELD, FIELD), "the attention to each pair"),
    Kind("weights", ("layer", FIELD, FIELD), "the weight of each field (column) for each field (row), by layer"),
    Kind("order", (FIELD, FIELD), "the attention of each field (row) to its product with each field (column)"),
    Kind("order", (FIELD,), "the attention to each field in one order", heading="Fields with most attention in {name}"),
    Kind(
        "importances",
        (FIELD,),
        "the number by which each field's embedding is multiplied",
        heading="Fields with the largest importance",
    ),
    Kind(
        "mask",
        ("dimension", FIELD),
        "the number by which each entry of a field's embedding is multiplied, a mean over the entries in tables",
        signed=True,
        heading="Fields with the largest {name}, a mean over their entries",
    ),
    Kind(
        "events",
        ("event",),
        "the weight of each event of a history, of which event 1 is the newest",
        signed=True,
        heading="Events with most weight in {name}, where 1 is the newest",
    ),
    Kind("orders", ("order",), "the attention to each order of interactions", heading="Orders with most attention"),
]


def register_kind(kind: Kind) -> None:
    """Add a kind, so that the report says what the explanations of your own model mean.

    Call it next to the model. The kind goes before the others: it may give a name of the zoo another meaning.

    Args:
        kind: The `Kind`.

    >>> register_kind(Kind("streams", ("stream",), "the share of each stream", heading="Strongest streams"))
    >>> kind_of("streams", (4,), num_fields=10).meaning
    'the share of each stream'
    """
    KINDS.insert(0, kind)


def kind_of(name: str, shape: Sequence[int | None], num_fields: int) -> Kind:
    """Return the kind of an explanation.

    A name that no kind fits has its axes guessed from its shape. The last two axes are taken for pairs of fields, or
    else the last one for fields, where they are as long as the schema has fields. Its entries count as weights.

    Args:
        name: Name of the explanation.
        shape: Its shape for one row, such as `(heads, fields, fields)`.
        num_fields: Number of fields of the schema.

    Returns:
        The registered `Kind`, or a generic one.

    >>> kind_of("attention_2", (4, 10, 10), num_fields=10).meaning
    'the attention of each field (row) to each field (column), by head'
    >>> kind_of("closeness", (2, 10, 10), num_fields=10).axes
    ('entry', 'field', 'field')
    """
    for kind in KINDS:
        if kind.fits(name, shape, num_fields):
            return kind
    num_field_axes = 0
    while num_field_axes < min(2, len(shape)) and shape[-1 - num_field_axes] == num_fields:
        num_field_axes += 1
    axes = ("entry",) * (len(shape) - num_field_axes) + (FIELD,) * num_field_axes
    return Kind(_without_number(name), axes, f"an explanation of shape ({', '.join(map(str, shape))})")
