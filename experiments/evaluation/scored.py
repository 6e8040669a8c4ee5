"""The rows of a table or split with the scores of runs, and what was noticed on the way."""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
import typing
import warnings
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ctrzoo.metrics import Scored
from ctrzoo.model import CTRModel
from ctrzoo.training import EVALUATION_BATCH
from ctrzoo.training.evaluation import Evaluator
from ctrzoo.training.negative_rows import check_negative_rate, weighted_as_all_rows

from ...data_pipelines.encoding.fields import ENCODING_FILE, VOCABULARY_FILE, TableEncoding
from ...data_pipelines.progress import StepProgress
from ..explained_run import load_model
from ..scoring.inputs import known_encoding
from ..scoring.rows import FileSource, encoded_chunks, table_to_score
from ..scoring.score import score_chunks
from .slices import ColumnCells, FieldCells, Slicing

if typing.TYPE_CHECKING:
    from ...data_pipelines import PreparedData


@dataclasses.dataclass(frozen=True)
class ScoredRun:
    """A run and its scores.

    Attributes:
        folder: The folder of the run.
        model: The name of its model.
        task: Its task.
        rows: Labels, scores, weights and groups.
    """

    folder: pathlib.Path
    model: str
    task: str
    rows: Scored


class ScoredRows(typing.NamedTuple):
    """Rows with the scores of several runs.

    Args:
        runs: The runs; their rows differ only in the scores.
        slicings: How the rows are divided.
        notes: Sentences about the rows.
        are_weighted: Whether rows have weights; batches of rows with groups have ones, if there are no others.
    """

    runs: list[ScoredRun]
    slicings: list[Slicing]
    notes: list[str]
    are_weighted: bool


@dataclasses.dataclass(frozen=True)
class Slices:
    """Which slices are wanted.

    Attributes:
        by: Names of fields or columns.
        most: The most values that have a slice of their own.
        bins: The most slices of numbers.
    """

    by: Sequence[str] = ()
    most: int = 20
    bins: int = 10


def score_split(folders: Sequence[pathlib.Path], data: PreparedData, split: str, slices: Slices) -> ScoredRows:
    """Score a split of prepared data with runs, as their training did: in the same batches, with the same weights.

    Training with several devices or `cpu_replicas` divides the batches, so its scores differ by rounding.

    Args:
        folders: The folders of the runs.
        data: The data.
        split: `"train"`, `"valid"` or `"test"`.
        slices: Which slices are wanted.

    Raises:
        ValueError: If the split is unknown or has no rows, a model does not fit the data, or a slice is none.
    """
    if not data.num_rows.get(split):
        raise ValueError(f"{data.name} has no rows in the split '{split}'. Choose one of {', '.join(data.num_rows)}.")
    columns: typing.Any = {"columns": ("group",)} if "group" in data.columns else {}
    runs, cells, notes = [], [FieldCells(data.schema, data.encoding, name) for name in slices.by], []
    for folder in folders:
        model = load_model(folder, data.schema)
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            check_negative_rate(model, data)
        notes += [f"{folder}: {warning.message}" for warning in found]
        batches = data.dataset(split, EVALUATION_BATCH, shuffle=False, **columns)
        if split == "train":
            batches = weighted_as_all_rows(batches, data)
        with StepProgress(f"{folder}: predicting") as progress:
            rows = Evaluator(model).predict(_watched(batches, progress, data.num_rows[split], [] if runs else cells))
        runs.append(ScoredRun(folder, model.name, model.task, rows))
    stand_for_others = split == "train" and data.negative_rate < 1
    if stand_for_others:
        notes.append(
            f"Preparation kept {data.negative_rate:g} of the negative training rows, so each weighs "
            f"{1 / data.negative_rate:g} times as much as a positive one."
        )
    notes += [note for each in cells for note in each.notes()]
    slicings = [each.slicing(slices.most, slices.bins) for each in cells]
    return ScoredRows(runs, slicings, notes, "weight" in data.columns or stand_for_others)


def _watched(batches, progress, total, cells) -> Iterator[typing.Any]:
    """Yield batches; show how far they are, and collect what the fields of slices hold."""
    done = 0
    for batch in batches:
        for each in cells:
            each.add({name: tensor.numpy() for name, tensor in batch[0].items()})
        yield batch
        done += len(batch[1])
        progress.advance(len(batch[1]), done / total)


def score_table(
    folders: Sequence[pathlib.Path],
    source_of: Callable[[TableEncoding], FileSource],
    slices: Slices,
    skip_bad: bool = False,
    most_skipped: float | None = None,
) -> ScoredRows:
    """Score a labelled table with runs, each by its own encoding.

    The table is read and encoded once for all runs of one encoding, whose models are in memory together.

    Args:
        folders: The folders of the runs.
        source_of: Returns the source of the table, given an encoding.
        slices: Which slices are wanted: fields of the first run, or columns of the table, kept as they are written.
        skip_bad: Whether to leave out rows that cannot be used.
        most_skipped: The largest share of the rows that may be left out, 0 to 1; None for 0.05.

    Raises:
        ValueError: If a column is missing, a row cannot be used, or runs do not read the same rows.
    """
    alike: dict[str, list[pathlib.Path]] = {}
    for folder in folders:
        alike.setdefault(_digest_of_encoding(folder), []).append(folder)
    scored: dict[pathlib.Path, tuple[ScoredRun, list[str]]] = {}
    slicings: list[Slicing] = []
    first = None
    for same in alike.values():
        encoding = encoding_of(same[0])
        models = [load_model(folder, encoding.schema) for folder in same]
        table = _Table(models, same, encoding, source_of(encoding), slices if first is None else Slices())
        summary, label_note = table.score(skip_bad, most_skipped)
        said = [*summary, *label_note, *(note for cells in table.cells.values() for note in cells.notes())]
        for folder, model, rows in zip(same, models, table.rows, strict=True):
            mine = [f"{folder}: {sentence}" for sentence in said] if len(folders) > 1 else said
            scored[folder] = ScoredRun(folder, model.name, model.task, rows), mine
        if first is None:
            first, slicings = table, [each.slicing(slices.most, slices.bins) for each in table.cells.values()]
        else:
            _check_same(first, table, folders[0], same[0])
    runs = [scored[folder][0] for folder in folders]
    notes = [note for folder in folders for note in scored[folder][1]]
    return ScoredRows(runs, slicings, notes, runs[0].rows.weights is not None)


def _digest_of_encoding(folder):
    """Return a digest of the files of a run's encoding; those of equal ones are equal."""
    found = _encoding_folder(folder)
    digest = hashlib.sha256()
    for name in (ENCODING_FILE, VOCABULARY_FILE):
        path = found / name
        digest.update(hashlib.sha256(path.read_bytes() if path.is_file() else b"").digest())
    return digest.hexdigest()


def encoding_of(folder: pathlib.Path) -> TableEncoding:
    """Return how the cells of a table become ids for a run.

    Args:
        folder: The folder of the run.

    Raises:
        FileNotFoundError: If the run has no encoding.
    """
    return TableEncoding.load(_encoding_folder(folder))


def _encoding_folder(folder):
    found = known_encoding(folder, None)
    if found is None:
        raise FileNotFoundError(
            f"{folder / 'encoding'} not found, which says how cells become ids. Evaluate the run on a --split of its "
            "data; data that were made without raw cells have no encoding."
        )
    return found


class _Table:
    """The rows of a table as runs of one encoding read them."""

    def __init__(self, models: list[CTRModel], folders, encoding: TableEncoding, source: FileSource, slices: Slices):
        self.models, self.folders, self.encoding = models, folders, encoding
        self.roles = dataclasses.replace(encoding.roles, time=None, time_format=None, id=None)
        self.written = [name for name in slices.by if name not in encoding.schema.names]
        self.cells = {
            name: ColumnCells(name) if name in self.written else FieldCells(encoding.schema, encoding, name)
            for name in slices.by
        }
        self.source = table_to_score(source, encoding, self.written, self.roles)
        self.parts: dict[str, list[np.ndarray]] = {"numbers": []}
        self.scores: list[list[np.ndarray]] = [[] for _ in models]
        self.label_values: set[str] = set()

    def score(self, skip_bad, most_skipped):
        """Predict the rows; return what is to be said of them and of their labels."""
        chunks = encoded_chunks(self.source, self.encoding, self.written, skip_bad, self.roles)
        title = f"{', '.join(map(str, self.folders))}: predicting"
        first = self.models[0]
        summary = score_chunks(first, self._collected(chunks), self._keep, title=title, most_skipped=most_skipped)
        columns = {name: np.concatenate(arrays) for name, arrays in self.parts.items()}
        self.numbers = columns["numbers"]
        self.rows = [
            Scored(columns["label"], np.concatenate(scores), columns.get("weight"), columns.get("group"))
            for scores in self.scores
        ]
        return list(summary.sentences()), self._check_labels()

    def _collected(self, chunks):
        """Yield chunks; collect the columns of their rows."""
        before = 0
        for chunk in chunks:
            if len(chunk.places):
                self.parts["numbers"].append(before + chunk.places)
                for name, column in chunk.columns.items():
                    self.parts.setdefault(name, []).append(column)
                for name, cells in self.cells.items():
                    cells.add(chunk.ids[name] if isinstance(cells, ColumnCells) else chunk.features)
                for model, scores in zip(self.models[1:], self.scores[1:], strict=True):
                    scores.append(model.predict(chunk.features, verbose=0)[:, 0].astype(np.float32))
            self.label_values |= set(chunk.label_values)
            before += chunk.total
            # Rows are collected here; without ids the predictions are numbered.
            yield chunk._replace(ids=chunk.ids.select([]))

    def _keep(self, predictions):
        self.scores[0].append(predictions.column(1).to_numpy())

    def _check_labels(self):
        """Return what is to be said of the labels, or raise an error if nobody knows what they mean."""
        label, values = self.roles.the_label, sorted(self.label_values)
        if label.is_ambiguous(values):
            label.check_found(values)
        if label.kind == "binary" and label.positive and not self.rows[0].labels.any():
            positive = " or ".join(map(repr, label.values[0]))
            return [f"No cell of the label '{label.column}' is {positive}; values found: {', '.join(values)}."]
        return []


def _check_same(first, other, folder, other_folder):
    """Raise an error unless two runs read the same rows with the same labels, weights and groups."""
    if not np.array_equal(first.numbers, other.numbers):
        number = min(set(first.numbers.tolist()) ^ set(other.numbers.tolist())) + 1
        raise ValueError(
            f"{folder} and {other_folder} cannot use the same rows, such as row {number:,} of the table. Correct the "
            "rows that --bad_rows=skip leaves out, or evaluate the runs one by one."
        )
    for what in ("labels", "weights", "groups"):
        mine, others = getattr(first.rows[0], what), getattr(other.rows[0], what)
        if (mine is None) != (others is None) or (mine is not None and not np.array_equal(mine, others)):
            raise ValueError(
                f"{folder} and {other_folder} were trained on other {what}: the rows of the table differ in them. "
                "Evaluate the runs one by one."
            )
