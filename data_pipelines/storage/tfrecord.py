"""Write and check TFRecord files without TensorFlow, whose import takes as long as a million rows.

Sources: the record format and `tf.train.Example`, https://www.tensorflow.org/tutorials/load_data/tfrecord;
metadata, https://www.tensorflow.org/datasets/external_tfrecord; the wire format of protocol buffers,
https://protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import json
import struct
import typing
from collections.abc import Mapping, Sequence
from typing import IO, Any

import google_crc32c

if typing.TYPE_CHECKING:
    import pathlib

# A TFRecord is its length (8 bytes), a checksum (4), the content, and another checksum (4).
RECORD_OVERHEAD = 16
FEATURES = "tensorflow_datasets.core.features"


def write_example(file: IO[bytes], features: Mapping[str, bytes | Sequence[bytes]]) -> None:
    """Append a `tf.train.Example` to a TFRecord file.

    Args:
        file: The file, open for writing bytes.
        features: The bytes of each feature, by name, or a list of bytes for a feature of several texts.
    """
    # Example.features.feature[name].bytes_list.value: all of these are field 1, except the value of the map.
    values = {name: [value] if isinstance(value, bytes) else value for name, value in features.items()}
    entries = (
        _message(
            1, _message(1, name.encode()) + _message(2, _message(1, b"".join(_message(1, part) for part in parts)))
        )
        for name, parts in sorted(values.items())
    )
    record = _message(1, b"".join(entries))
    length = struct.pack("<Q", len(record))
    file.write(b"".join([length, _checksum(length), record, _checksum(record)]))


def read_record(file: IO[bytes], offset: int) -> bytes | None:
    """Return the record at an offset of a TFRecord file; None if it is damaged or ends early.

    Args:
        file: The file, open for reading bytes.
        offset: Where the record begins, in bytes.

    >>> import io
    >>> file = io.BytesIO()
    >>> write_example(file, {"label": b"1"})
    >>> len(read_record(file, 0)), read_record(io.BytesIO(b"no record"), 0)
    (18, None)
    """
    file.seek(offset)
    header = file.read(12)
    if len(header) < 12 or header[8:] != _checksum(header[:8]):
        return None
    (length,) = struct.unpack("<Q", header[:8])
    content, checksum = file.read(length), file.read(4)
    return content if len(content) == length and checksum == _checksum(content) else None


def check_records(path: pathlib.Path) -> None:
    """Read a whole TFRecord file and compare its records with their checksums.

    Raises:
        ValueError: If a record is damaged.

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "rows"
    >>> with open(path, "wb") as file:
    ...     write_example(file, {"label": b"1"})
    >>> check_records(path)
    """
    size, offset = path.stat().st_size, 0
    with open(path, "rb") as file:
        while offset < size:
            record = read_record(file, offset)
            if record is None:
                raise ValueError(f"{path} is damaged at byte {offset:,}. Delete the folder and prepare it again.")
            offset += len(record) + RECORD_OVERHEAD


def _message(number, content):
    """Return a protocol buffer field with bytes as content: its tag, its length, its content."""
    size, length = len(content), bytearray()
    while size > 127:
        length.append(size & 127 | 128)
        size >>= 7
    return bytes([number << 3 | 2, *length, size]) + content


def _checksum(content):
    checksum = google_crc32c.value(content)
    return struct.pack("<I", ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def write_tfds_metadata(
    folder: pathlib.Path,
    name: str,
    description: str,
    tensors: Mapping[str, tuple[str, tuple[int | None, ...]]],
    splits: Mapping[str, Any],
) -> None:
    """Write `features.json` and `dataset_info.json`, which let `tfds.builder_from_directory` find the rows.

    Args:
        folder: The folder of the shards.
        name: Name of the data set.
        description: One sentence.
        tensors: `(dtype, shape)` of each feature by name; None stands for a dimension of any size.
        splits: `{split: Split}`.
    """
    features = {
        feature: {
            "pythonClassName": f"{FEATURES}.tensor_feature.Tensor",
            "tensor": {
                "dtype": dtype,
                "encoding": "none" if dtype == "string" else "bytes",
                "shape": {"dimensions": [str(-1 if size is None else size) for size in shape]},
            },
        }
        for feature, (dtype, shape) in sorted(tensors.items())
    }
    classes = {"pythonClassName": f"{FEATURES}.features_dict.FeaturesDict"}
    _write(folder / "features.json", {"featuresDict": {"features": features}, **classes})
    split_infos = [
        {
            "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
            "name": split,
            "numBytes": str(sum(written.shards.values())),
            "shardLengths": [str(blocks) for blocks in written.blocks],
        }
        for split, written in splits.items()
    ]
    info = {"description": description, "fileFormat": "tfrecord", "name": name}
    info |= {"splits": split_infos, "version": "1.0.0"}
    _write(folder / "dataset_info.json", info)


def _write(path, content):
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")
