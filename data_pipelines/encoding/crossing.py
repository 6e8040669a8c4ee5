r"""Crosses: fields whose values are the combinations of the values of two or three categorical fields.

A part of a cross is read as its own field reads it: by its type, its times, its texts for missing cells, its buckets.
It is the value itself, also where the field's own id is that of rare values or a hash. A cross has one text for each
combination, which is counted or hashed like the text of a cell: the parts, joined by ` & `. Within a part, `\` and `&`
have a `\` before them, so that no two combinations have the same text. A number with decimals has 17 of them, because
a serving graph cannot write fewer. If a part is missing, the cross is missing, unless the part's field has
`missing: category`: then the missing cell is a value, the empty text.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
import pyarrow as pa

from .cells import codes_of, numbers_of, present, texts_of

if typing.TYPE_CHECKING:
    import tensorflow as tf

    from ctrzoo.types import Tensor

    from .field import FieldEncoding

SEPARATOR = " & "


class Coded(typing.NamedTuple):
    """The cells of a field, each different one once.

    Args:
        codes: For each row, the index of its cell in `cells`, `(rows,)`.
        cells: The different cells: texts, with null for a missing one, or numbers of a field whose ids are buckets.
    """

    codes: np.ndarray
    cells: pl.Series


def coded(field: FieldEncoding, cells: pl.Series) -> Coded:
    """Return the cells of a categorical field, each different one once."""
    if field.makes_ids:
        return coded_numbers(numbers_of(present(field, cells)))
    return Coded(*codes_of(texts_of(field, cells)))


def coded_numbers(numbers: np.ndarray) -> Coded:
    """Return numbers, each different one once."""
    codes, uniques = _numbered(numbers)
    return Coded(codes, pl.Series(uniques))


def part_values(field: FieldEncoding, cells: pl.Series) -> pl.Series:
    r"""Return the text in a cross of each cell of a part, null where the cell is missing.

    Args:
        field: The fitted field of the part.
        cells: As `Coded` has them.

    >>> from ctrzoo.data_pipelines.encoding.field import FieldEncoding
    >>> part_values(FieldEncoding("size", type="integer"), pl.Series(["8.0", "a&b", None])).to_list()
    ['8', 'a\\&b', None]
    """
    if field.makes_ids:
        buckets = field.transformer.transform(cells.to_numpy().astype(np.float64))
        texts = pl.Series(buckets).fill_nan(None).cast(pl.Int64).cast(pl.String)
    else:
        texts = field.cell_type.hash_texts(field.canonical(cells))
    texts = texts.str.replace_all("\\", "\\\\", literal=True).str.replace_all("&", "\\&", literal=True)
    return texts.fill_null("") if field.missing == "category" else texts


def joined(values: Sequence[pl.Series], codes: Sequence[np.ndarray]) -> pl.Series:
    """Return the texts of combinations, null where a part is missing.

    Args:
        values: What `part_values` returned for each part.
        codes: For each part, the index of the value of each combination.

    >>> joined([pl.Series(["a", None]), pl.Series(["x", "y"])], [np.array([0, 1]), np.array([1, 0])]).to_list()
    ['a & y', None]
    """
    columns = [
        part.gather(places).alias(str(number)) for number, (part, places) in enumerate(zip(values, codes, strict=True))
    ]
    return pl.DataFrame(columns).select(pl.concat_str(pl.all(), separator=SEPARATOR).alias("text"))["text"]


def combinations(parts: Sequence[tuple[np.ndarray, int]]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Number the different combinations of codes.

    Args:
        parts: For each part, the code of each row and the number of codes.

    Returns:
        The number of the combination of each row `(rows,)`; and for each part, its code in each combination.

    >>> numbers, codes = combinations([(np.array([0, 1, 0]), 2), (np.array([1, 1, 1]), 2)])
    >>> numbers.tolist(), [part.tolist() for part in codes]
    ([0, 1, 0], [[0, 1], [1, 1]])
    """
    (numbers, size), *others = parts
    found = [np.arange(size)]
    for codes, size in others:
        numbers, uniques = _numbered(numbers.astype(np.int64) * size + codes)
        first, last = np.divmod(uniques, size) if len(uniques) else (uniques, uniques)
        found = [*(part[first] for part in found), last]
    return numbers, found


def positions_of_parts(field: FieldEncoding, fields: Sequence[FieldEncoding]) -> list[int]:
    """Return the positions of the parts of a cross among the fields of its table.

    >>> from ctrzoo.data_pipelines.encoding.field import FieldEncoding
    >>> positions_of_parts(FieldEncoding("both", cross=("b", "a")), [FieldEncoding("a"), FieldEncoding("b")])
    [1, 0]
    """
    names = [each.name for each in fields]
    return [names.index(part) for part in field.cross]


def crossed(field: FieldEncoding, parts: Sequence[FieldEncoding], cells: Mapping[str, Coded]) -> Coded:
    """Return the combinations of the rows of a cross, each different one once.

    Args:
        field: The cross.
        parts: The fitted fields of the table, the parts among them.
        cells: The cells of each part by the name of its field.
    """
    by_name = {part.name: part for part in parts}
    chosen = [cells[name] for name in field.cross]
    codes, places = combinations([(part.codes, len(part.cells)) for part in chosen])
    values = [part_values(by_name[name], part.cells) for name, part in zip(field.cross, chosen, strict=True)]
    return Coded(codes, joined(values, places))


def graph_joined(parts: Sequence[tuple[FieldEncoding, tf.Tensor]]) -> Tensor:
    """Do what `part_values` and `joined` do in a TensorFlow graph; the empty text is a missing cell.

    Args:
        parts: The field of each part, and the text of each row `(batch,)`, as its cell type writes it.
    """
    import tensorflow as tf

    texts, missing = [], tf.constant(False)
    for field, values in parts:
        if field.missing != "category":
            missing |= values == ""
        texts.append(tf.strings.regex_replace(values, r"([\\&])", r"\\\1"))
    return tf.where(missing, "", tf.strings.join(texts, SEPARATOR))


def _numbered(values):
    """Return the index of each value among the different ones, and these."""
    encoded = pa.array(values).dictionary_encode()
    return encoded.indices.to_numpy(zero_copy_only=False), encoded.dictionary.to_numpy(zero_copy_only=False)
