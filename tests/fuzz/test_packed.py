"""Mutated compressed tables are refused in one line, or hold what Python unpacks."""

import bz2
import gzip
import io
import tarfile
import zipfile

import pytest

from ctrzoo.data_pipelines.preparation.table import prepare_own_table
from tests.data_pipelines.clicks_table import TEXT
from tests.fuzz import oracle
from tests.fuzz.mutations import judged, mutated, seeds
from tests.fuzz.stored import stored, vocabulary_of


def in_tar(mode):
    def pack(content):
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode=mode) as archive:
            entry = tarfile.TarInfo("clicks.csv")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        return file.getvalue()

    return pack


def zipped(content):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("clicks.csv", content)
    return file.getvalue()


def from_tar(content):
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return archive.extractfile(next(entry for entry in archive if entry.isfile())).read()


def from_zip(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read(archive.infolist()[0])


PACKED = {
    ".gz": (gzip.compress, gzip.decompress),
    ".bz2": (bz2.compress, bz2.decompress),
    ".zip": (zipped, from_zip),
    ".tar": (in_tar("w"), from_tar),
    ".tar.gz": (in_tar("w:gz"), from_tar),
    ".tar.xz": (in_tar("w:xz"), from_tar),
}


@pytest.mark.parametrize("ending", PACKED)
def test_packed_tables_hold_what_python_unpacks(tmp_path, ending):
    pack, unpack = PACKED[ending]
    original = pack(TEXT.encode())
    schema = {"label": "click", "fields": [{"name": "site", "type": "text"}], "fit_on": "all"}
    for number, source in enumerate(seeds(ending)):
        path = tmp_path / f"{number}.csv{ending}"
        path.write_bytes(mutated(original, source))
        folder, what = tmp_path / str(number), f"{ending} {number}"
        with judged(what) as accepted:
            train = path.with_name(f"train{number}.csv{ending}")
            train.write_bytes(original)
            prepare_own_table(folder, "t", {"train": train, "test": path}, schema)
        if accepted:
            content = unpack(path.read_bytes())
            # Without compression, tar has no checksum of its content.
            assert ending == ".tar" or content == TEXT.encode(), what
            table = oracle.table_of(content, ",", '"')
            places = [table.columns.index(name) for name in ("click", "site")]
            expected = [[str(int(float(row[places[0]]))), row[places[1]] or None] for row in table.rows]
            ids, _, labels = stored(folder, "test")
            values = vocabulary_of(folder)["site"]
            found = [
                [str(label), values[place][0] if place else None] for label, (place,) in zip(labels, ids, strict=True)
            ]
            assert found == expected and table.others == 0, what
