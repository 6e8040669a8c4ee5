"""MovieLens as a click-through-rate task: does a user like a film?"""

from __future__ import annotations

import csv
import io
import pathlib
import typing
import urllib.request
import zipfile
import zlib
from collections.abc import Sequence

import numpy as np
import pandas as pd
import polars as pl

from ctrzoo.stores import local_path
from ctrzoo.suggest import unknown

from ..encoding.field import FieldEncoding
from ..encoding.labels import Label
from ..encoding.roles import Roles
from ..preparation.engine import Engine, prepare_table
from ..preparation.plan import PROTOCOLS, TablePlan, check_protocol
from ..preparation.splits import Fractions, Shuffled
from ..raw.sources import FrameSource, open_entry
from .movielens_history import history_frame, history_plan

if typing.TYPE_CHECKING:
    from ctrzoo.types import Config, Path

URL = "https://files.grouplens.org/datasets/movielens/ml-1m.zip"
TABLES = {
    "users.dat": ["user", "gender", "age", "occupation", "zip_code"],
    "movies.dat": ["movie", "title", "genres"],
    "ratings.dat": ["user", "movie", "rating", "timestamp"],
}
NUMBERS = {"user", "movie", "rating", "timestamp"}
MAX_GENRES = 6
TARGETS = ("liked", "stars")


def movielens_plan(
    protocol: str, split_seed: int, unused_ids: int = 0, target: str = "liked", keep_groups: bool = False
) -> TablePlan:
    """Return the `TablePlan` of MovieLens' seven fields; see `prepare_movielens_1m`."""
    check_protocol(protocol)
    if target not in TARGETS:
        raise ValueError(unknown("target", target, TARGETS))
    if protocol == "reference" and (target, keep_groups) != ("liked", False):
        raise ValueError("The reference protocol has likes as labels and no groups. Set protocol='clean'.")
    fields = [
        *(FieldEncoding(name) for name in ("gender", "age", "occupation", "zip_code", "release_year")),
        FieldEncoding("timestamp", "numerical", transform="min_max"),
        FieldEncoding("genres", "multivalued", max_values=MAX_GENRES, unused_ids=unused_ids),
    ]
    if protocol == "reference":
        return TablePlan(fields, "liked", Shuffled(split_seed), "all")
    if target == "liked" and not keep_groups:
        return TablePlan(fields, "liked", Fractions(seed=split_seed))
    kind = "graded" if target == "stars" else "binary"
    roles = Roles(Label(target, kind=kind), group="user", keep_groups=keep_groups)
    return TablePlan(fields, roles, Fractions(seed=split_seed))


def prepare_movielens_1m(
    folder: Path,
    raw: Path | None = None,
    engine: Engine = prepare_table,
    *,
    protocol: str = "reference",
    split_seed: int = 2019,
    target: str = "liked",
    keep_groups: bool = False,
    shown: str = "events",
) -> None:
    """Prepare MovieLens-1M into a folder.

    Ratings of 4 and 5 are positive, 1 and 2 are negative, and 3 is left out. That gives 739,012 rows, divided 8:1:1 at
    random. The seven fields include neither the user nor the film: gender, age group, occupation, zip code, release
    year (one id per decade before 1970), time of the rating (scaled to 0..1), genres (up to 6, mean-pooled).
    `"reference"` follows the preparation of AutoInt and GraphFM: everything is fitted to all rows, with 3,529 ids, of
    which 5 were for padding and are unused here. `"clean"` fits only to training rows.

    `"history"` is another task: each rating is predicted from the user, the film, its genres and the user's earlier
    ratings; see `ctrzoo.data_pipelines.datasets.movielens_history`.

    With the target `"stars"`, all 1,000,209 ratings stay, as grades from 1 to 5 for regression or ranking, and the user
    is the group of a row.

    Args:
        folder: The folder to create.
        raw: GroupLens' `ml-1m.zip` or the unpacked folder; by default it is downloaded.
        engine: What prepares the table: `prepare_table`, or the same on Spark.
        protocol: `"reference"`, `"clean"` or `"history"`.
        split_seed: Seed for the split into train, valid and test, and for the order of the training rows.
        target: The label: `"liked"` or, with the protocol `"clean"`, `"stars"`.
        keep_groups: Whether the training rows of a user stay together, as the losses of ranking need it; with the
            protocol `"clean"`.
        shown: With the protocol `"history"`: `"events"`, or `"nothing"` to leave both histories out, as a comparison.

    Raises:
        ValueError: If an option does not go with the protocol, or the raw files are damaged or not the expected ones.
        FileNotFoundError: If `raw` is missing.
        ConnectionError: If the download fails.
    """
    check_protocol(protocol, (*PROTOCOLS, "history"))
    if protocol == "history":
        if (target, keep_groups) != ("liked", False):
            raise ValueError("The protocol 'history' has likes as labels and no groups. Leave out both options.")
        plan = history_plan(shown)
    elif shown != "events":
        raise ValueError(f"`shown` is for the protocol 'history'. Received: {shown!r}. Remove it.")
    else:
        unused_ids = 5 if protocol == "reference" else 0
        plan = movielens_plan(protocol, split_seed, unused_ids, target, keep_groups)
    raw = local_path(raw, "`raw`") if raw else _download(pathlib.Path(folder).parent / "downloads")
    users, movies, ratings = _read_tables(raw)
    if protocol == "history":
        check_references(users, movies, ratings)
        frame = history_frame(movies, ratings)
    else:
        frame = pl.from_pandas(_frame(users, movies, ratings, target))
    source = FrameSource(raw, frame)
    options: Config = {"protocol": protocol, "split_seed": split_seed}
    options |= {} if target == "liked" and not keep_groups else {"target": target, "keep_groups": keep_groups}
    options |= {} if shown == "events" else {"shown": shown}
    engine(folder, "movielens_1m", plan, source, options=options, shuffle_seed=split_seed)


def _download(folder):
    import tensorflow_datasets as tfds

    try:
        if not any(folder.glob("*.zip")):
            # On its own, the download manager would try for minutes to reach an unreachable host.
            urllib.request.urlopen(urllib.request.Request(URL, method="HEAD"), timeout=10).close()
        return pathlib.Path(tfds.download.DownloadManager(download_dir=folder).download(URL))
    except Exception as error:  # Whatever prevented the download, the remedy is the same.
        raise ConnectionError(
            f"Could not download {URL} ({type(error).__name__}). "
            "Download ml-1m.zip on a machine with network access and pass its path as `raw` (--raw)."
        ) from error


def _read_tables(raw):
    """Return users, movies and ratings, from the zip or the unpacked folder."""
    if not raw.exists():
        raise FileNotFoundError(f"{raw} does not exist. Pass GroupLens' ml-1m.zip or its unpacked folder.")
    # The C parser accepts only single-character separators, but is twenty times as fast as the other parser.
    return [
        read_table(raw, filename, columns, "\t", content.replace(b"::", b"\t"), "ml-1m.zip")
        for filename, columns in TABLES.items()
        for content in [content_of(raw, filename, "ml-1m")]
    ]


def read_table(
    raw: Path, filename: str, columns: Sequence[str], separator: str, content: bytes, archive: str
) -> pd.DataFrame:
    """Parse one table of MovieLens as a pandas frame.

    Args:
        raw: The zip or folder, for messages.
        filename: The table's file.
        columns: Names of the columns.
        separator: The character between columns.
        content: The bytes of the file.
        archive: The file to download if this one is damaged.

    Raises:
        ValueError: If the content is not such a table.
    """
    try:
        table = pd.read_csv(
            io.BytesIO(content),
            sep=separator,
            names=columns,
            encoding="latin-1",
            quoting=csv.QUOTE_NONE,
            index_col=False,
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{raw}: {filename} is not a MovieLens table ({reason}). Download {archive} again.") from None
    if table[columns[-1]].isna().to_numpy().any():
        raise ValueError(f"{raw}: {filename} has a row with too few columns. Download {archive} again.")
    for name in (name for name in columns if name in NUMBERS):
        if not pd.api.types.is_integer_dtype(table[name]):
            row = int(np.argmax(np.isnan(pd.Series(pd.to_numeric(table[name], errors="coerce")).to_numpy(np.float64))))
            raise ValueError(
                f"{raw}: {filename}, row {row + 1:,}: {name} must be a whole number. "
                f"Received: {table[name].iloc[row]!r}. The tables have no header line. Download {archive} again."
            )
    return table


def content_of(raw: pathlib.Path, filename: str, folder: str) -> bytes:
    """Return the bytes of a file of the zip or of the unpacked folder.

    Raises:
        ValueError: If the file does not exist, or the zip is damaged or cannot be unpacked by Python.
    """
    if raw.is_dir():
        path = next((path for path in (raw / filename, raw / folder / filename) if path.is_file()), None)
        if path is None:
            raise ValueError(f"{raw} holds no {filename}. Pass GroupLens' {folder}.zip or its unpacked folder.")
        return path.read_bytes()
    try:
        with zipfile.ZipFile(raw) as archive:
            names = [name for name in archive.namelist() if pathlib.PurePosixPath(name).name == filename]
            if not names:
                raise ValueError(f"{raw} holds no {filename}. Pass GroupLens' {folder}.zip.")
            with open_entry(archive, names[0]) as file:
                return file.read()
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ValueError(f"{raw} is not a complete zip file ({error}). Download {folder}.zip again.") from None


def _frame(users, movies, ratings, target):
    """Join the tables; of likes, leave out the ratings of 3."""
    check_references(users, movies, ratings)
    ratings = ratings[ratings["rating"] != 3] if target == "liked" else ratings
    movies = movies.set_index("movie")
    movies["release_year"] = release_year(movies["title"])
    frame = pd.concat(
        [
            users.set_index("user").reindex(ratings["user"]).reset_index(drop=True),
            movies[["release_year", "genres"]].reindex(ratings["movie"]).reset_index(drop=True),
            ratings["timestamp"].reset_index(drop=True),
        ],
        axis=1,
    )
    frame["user"] = ratings["user"].to_numpy()
    frame["liked"] = (ratings["rating"] > 3).to_numpy()
    frame["stars"] = ratings["rating"].to_numpy()
    return frame


def check_references(users: pd.DataFrame, movies: pd.DataFrame, ratings: pd.DataFrame) -> None:
    """Raise an error if a rated user or movie is missing from its table or listed twice.

    Raises:
        ValueError: If so; the message names the first.
    """
    for name, table in (("user", users), ("movie", movies)):
        known = table[name]
        if known.duplicated().any():
            raise ValueError(
                f"The {name} {known[known.duplicated()].tolist()[0]} is listed twice in its table. Download it again."
            )
        unknown = ratings[name][~ratings[name].isin(known)]
        if len(unknown):
            raise ValueError(
                f"The {name} {unknown.tolist()[0]} has ratings but no row in its table. Download it again."
            )


def release_year(titles: pd.Series) -> pd.Series:
    """Return the year group of the year at the end of each title."""
    years = titles.str.extract(r"\((\d{4})\)\s*$", expand=False)
    if years.isna().any():
        raise ValueError(f"The title {titles[years.isna()].tolist()[0]!r} in movies.dat does not end in a year.")
    return year_groups(years.astype(int)).astype(str)


def year_groups(years: pd.Series) -> pd.Series:
    """Group the years of a pandas series: by decade before 1970, with all years before 1930 in one group.

    >>> year_groups(pd.Series([1925, 1969, 1970])).to_list()
    [1920, 1960, 1970]
    """
    decades = years // 10 * 10
    return years.where(years >= 1970, decades.where(years >= 1930, 1920))
