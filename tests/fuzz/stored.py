"""What a prepared folder holds, read by pandas and protocol buffers: independent of the reader under test."""

import datetime
import json

import numpy as np
import pandas as pd


def stored(folder, split):
    """Return the stored ids, numbers and labels of a split, in stored order."""
    import tensorflow as tf

    widths = json.loads((folder / "preparation.json").read_text())["widths"]
    dtypes = {"ids": np.dtype("<i4"), "numbers": np.dtype("<f4"), "label": np.uint8}
    parts = {name: [np.empty(0, dtype)] for name, dtype in dtypes.items()}
    for path in sorted(folder.glob(f"*-{split}.tfrecord*")):
        content = path.read_bytes()
        while content:
            length = int.from_bytes(content[:8], "little")
            features = tf.train.Example.FromString(content[12 : 12 + length]).features.feature
            for name in features:
                parts[name].append(np.frombuffer(features[name].bytes_list.value[0], dtypes[name]))
            content = content[16 + length :]
    ids, numbers, labels = (np.concatenate(part) for part in parts.values())
    return ids.reshape(len(labels), widths["ids"]), numbers.reshape(len(labels), widths["numbers"]), labels


def vocabulary_of(folder):
    """Return the value of each id by field, and how often each value occurs: `{field: {id: (value, count)}}`."""
    table = pd.read_parquet(folder / "vocabulary.parquet")
    vocabulary = {}
    for field, value, number, count in table.itertuples(index=False):
        vocabulary.setdefault(field, {})[number] = value, count
    return vocabulary


READERS = {
    "boolean": "true".__eq__,
    "integer": int,
    "decimal": float,
    "time": datetime.datetime.fromisoformat,
    "text": str,
}


def values_of(folder):
    """Return the value of each id by field, of the type that preparation chose: `{field: {id: value}}`; 0 is None."""
    fields = json.loads((folder / "encoding.json").read_text())["fields"]
    types = {field["name"]: field.get("type") or "text" for field in fields}
    vocabulary = vocabulary_of(folder)
    return {
        name: {0: None, **{number: READERS[kind](text) for number, (text, _) in vocabulary.get(name, {}).items()}}
        for name, kind in types.items()
    }
