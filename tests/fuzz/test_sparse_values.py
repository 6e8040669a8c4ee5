"""Generated and mutated libsvm and libffm files hold after preparation what a loop over their lines reads."""

import json
import re

import numpy as np
import pytest

from ctrzoo.data_pipelines.preparation.table import prepare_own_table
from tests.fuzz import oracle
from tests.fuzz.mutations import judged, mutated, seeds
from tests.fuzz.stored import stored, values_of

LABELS = [b"0", b"1", b"1.0", b"0", b"1", b"0.0", b"true"]
IDS = [b"0", b"1", b"7", b"123456789012345678", b"42"]
WEIGHTS = [b"1", b"1", b"1.0", b"1.", b"0.5", b"-2", b"0", b"1e-3", b".25", b"+3", b"3.4e38", b"10", b"01"]
BAD_TOKENS = [b"x", b"1:", b":1", b"1:x", b"1:1e39", b"1:nan", b"1:2:3:4", b"1:1_0", b"\xff:1", b"0:a:1e400"]
SPACES = [b" ", b" ", b"  ", b"\t", b" \x0b", b"\x0c"]
MOST, LARGEST = 3, float(np.finfo(np.float32).max)
NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
ONE = re.compile(r"1(\.0*)?")
TAGS = {"kind": "multivalued", "separator": " ", "weight_separator": ":", "max_values": MOST}
SCHEMAS = {
    ".svm": {"label": "label", "fields": [{"name": "features", **TAGS}]},
    ".ffm": {
        "label": "label",
        "fields": [
            {"name": "field0", "type": "text"},
            {"name": "value1", "kind": "numerical"},
            {"name": "field2", "type": "text", **TAGS},
        ],
    },
}


def generated(source, suffix):
    """Return the bytes of a file."""
    bad, end = source.choice([0, 0, 0.02]), source.choice([b"\n", b"\n", b"\r\n"])
    features = source.choice([IDS, [*IDS, b"a", b"\xc3\xa9", b"-"], [*IDS, b"007"]]) if suffix == ".ffm" else IDS
    lines = []
    for _ in range(source.randint(1, 30)):
        tokens = [source.choice(features) + b":" + source.choice(WEIGHTS) for _ in range(source.randint(0, 5))]
        if suffix == ".ffm":
            tokens = [b"%d:%b" % (source.randrange(3), token) for token in tokens]
        tokens = [source.choice(BAD_TOKENS) if source.random() < bad else token for token in tokens]
        line = source.choice(SPACES).join([source.choice(LABELS), *tokens])
        lines.append(line + source.choice([b"", b"", b" ", b" # note 1:2"]))
    if source.random() < 0.3:
        lines.insert(source.randrange(len(lines) + 1), source.choice([b"", b"  ", b"# nothing"]))
    content = end.join(lines) + source.choice([b"", end])
    if suffix == ".ffm":
        content = b"1 0:1:1 1:1:1 2:1:1" + end + content  # all fields
    return content


def weight_of(text):
    """Return the weight of a token, None if float32 does not hold it."""
    return float(np.float32(text)) if abs(float(text)) <= LARGEST else None


def tokens_of(line, suffix, num_fields):
    """Return `(label, [(field, feature, text of the weight)])` of a line; None if it is malformed."""
    try:
        label, *tokens = [part.decode() for part in line.split()]
    except UnicodeDecodeError:
        return None
    parts = []
    for token in tokens:
        cells = token.split(":")
        if len(cells) != (2 if suffix == ".svm" else 3) or not re.fullmatch("[0-9]+", cells[0]):
            return None
        *fields, feature, weight = cells
        field = int(fields[0]) if fields else 0
        if not feature or not NUMBER.fullmatch(weight) or field >= num_fields:
            return None
        parts.append((field, feature, weight))
    return label, parts


def expected(content, suffix):
    """Return the usable rows and the number of the others."""
    rows, bad = [], 0
    fields = [int(text) for text in re.findall(rb"[ \t\n\x0b\x0c\r]([0-9]+):", content)]
    for line in content.split(b"\n"):
        line = line.partition(b"#")[0].strip()
        if not line:
            continue
        parsed = tokens_of(line, suffix, 1 + max(fields, default=0))
        row = parsed and row_of(*parsed, suffix)
        bad += row is None
        rows += [] if row is None else [row]
    if suffix == ".svm" and rows:
        values = iter(oracle.meanings([feature for row in rows for feature, _ in row[1]]))
        rows = [[label, [(next(values), weight) for _, weight in parts]] for label, parts in rows]
    return [[max(label, 0), *others, parts[:MOST]] for label, *others, parts in rows], bad


def row_of(label, parts, suffix):
    """Return what a line holds, None if its label or a number is none."""
    label, tagged = oracle.label_of(label), 0 if suffix == ".svm" else 2
    tags = [(feature, weight_of(weight)) for field, feature, weight in parts if field == tagged]
    if label is None or any(weight is None for _, weight in tags):
        return None
    if suffix == ".svm":
        return [label, tags]
    cells = [(feature, weight) for field, feature, weight in parts if field == 0]
    cells = [feature if ONE.fullmatch(weight) else f"{feature}:{weight}" for feature, weight in cells]
    numbers = [weight_of(weight) for field, _, weight in parts if field == 1]
    number = numbers[0] if len(numbers) == 1 else 0.0
    return None if number is None else [label, " ".join(cells) or None, number, tags]


def found(folder, split, suffix):
    """Return the rows of a split as values."""
    values = values_of(folder)
    ids, numbers, labels = stored(folder, split)
    rows = []
    for label, row, (*others, first, second, third) in zip(labels, ids.tolist(), numbers.tolist(), strict=True):
        tags = values["features" if suffix == ".svm" else "field2"]
        pairs = [(tags[tag], weight) for tag, weight in zip(row[-MOST:], (first, second, third), strict=True) if tag]
        rows.append([int(label), *[values["field0"][tag] for tag in row[:-MOST]], *others, pairs])
    return rows


@pytest.mark.parametrize("suffix", SCHEMAS)
def test_sparse_text_holds_what_its_lines_say(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr("ctrzoo.data_pipelines.preparation.engine.MOST_SKIPPED", 1.0)
    compared = place = 0
    for place, source in enumerate(seeds(f"values of {suffix}")):
        content = generated(source, suffix)
        if source.random() < 0.4:
            content = mutated(content, source)
        bad_rows = source.choice(["error", "skip"])
        paths = {split: tmp_path / f"{split}{place}{suffix}" for split in ("train", "test")}
        for path in paths.values():
            path.write_bytes(content)
        what = f"{suffix} {bad_rows} {place}: {content[:5000]!r}"
        with judged(what) as accepted:
            prepare_own_table(tmp_path / str(place), "t", paths, SCHEMAS[suffix], bad_rows=bad_rows)
        if not accepted or content.count(b"\r") > content.count(b"\r\n"):
            continue  # a carriage return within a row is judged by the test of text tables
        compared += 1
        rows, bad = expected(content, suffix)
        assert bad_rows == "skip" or not bad, what
        mine = found(tmp_path / str(place), "test", suffix)
        assert mine == rows, what
        assert json.loads((tmp_path / str(place) / "report.json").read_text())["bad_rows"] == 2 * bad, what
        assert sorted(map(repr, found(tmp_path / str(place), "train", suffix))) == sorted(map(repr, mine)), what
    assert place < 50 or compared > place / 3
