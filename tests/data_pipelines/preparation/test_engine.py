"""The two passes over a table: wrong rows, full disks, folders that exist."""

import contextlib
import errno
import re

import numpy as np
import polars as pl
import pytest
import yaml

from ctrzoo.data_pipelines.preparation import first_pass as compact
from tests.data_pipelines.clicks_table import HEADER, IDS, ROWS, TEXT, all_rows
from tests.data_pipelines.small_table import stored_block


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1,s1,2\n", "3 columns, expected 4"),
        ("1,s1,2,a:1,5\n", "5 columns, expected 4"),
        ("1,s1,cheap,a:1\n", "column 'price' must hold finite numbers, not 'cheap'"),
        ("1,s1,-inf,a:1\n", "column 'price' must hold finite numbers, not -inf"),
        ("1,s1,-1e39,a:1\n", r"column 'price' must hold numbers of at most 3.4e\+38 once scaled, not -1e\+39"),
        ("1,s1,2,a:many\n", "weights: column 'tags' must hold finite numbers, not 'many'"),
        ("1,s1,2,b:2|a:\n", "weights: column 'tags' must hold finite numbers, not ''"),
        ("1,s1,2,a:nan\n", "weights: column 'tags' must hold finite numbers, not 'nan'"),
        ("1,s1,2,a:1e39\n", "weights: column 'tags' must hold finite numbers, not '1e39'"),
        (b"1,s\xff1,2,a:1\n", "column 'site' is not UTF-8 text"),
        ("2,s1,2,a:1\n", "the label 'click' must be 0 or 1, not 2"),
        (",s1,2,a:1\n", "the label 'click' must be 0 or 1, not None"),
        (HEADER, r"the label 'click' must be 0 or 1, not 'click' \(a header in the wrong place\?\)"),
    ],
)
def test_a_wrong_row_is_named_or_left_out(prepared, tmp_path, line, reason):
    before, after = (HEADER + "".join(ROWS[:50])).encode(), "".join(ROWS[50:]).encode()
    content = before + (line if isinstance(line, bytes) else line.encode()) + after
    # The header is row 1, so the line after 50 rows is row 52.
    with pytest.raises(ValueError, match=rf"clicks.csv, row 52: {reason}. Pass --bad_rows=skip") as caught:
        prepared(content)
    assert "\n" not in str(caught.value) and not (tmp_path / "prepared").exists()
    data, report = prepared(content, bad_rows="skip")
    assert (report["rows"], report["bad_rows"]) == (100, 1) and "row 52" in report["first_bad_row"]
    np.testing.assert_array_equal(all_rows(data)[0], IDS)


def test_a_large_number_is_taken_if_its_transform_makes_it_small(prepared):
    schema = {"label": "click", "fields": [{"name": "price", "kind": "numerical", "transform": "log1p"}]}
    data, _ = prepared(HEADER + "1,s,1e39,a\n" * 10, schema)
    np.testing.assert_allclose(stored_block(data.folder).numerical, [[39 * np.log(10)]] * 10, rtol=1e-6)


def test_a_number_that_what_was_learned_makes_too_large_is_refused(prepared):
    fields = [{"name": "price", "kind": "numerical", "transform": "min_max"}]
    schema = {"label": "click", "fields": fields, "split": {"column": "price", "valid_from": 1}}
    rows = "".join(f"{row % 2},s,{row / 1e6},a\n" for row in range(10))
    with pytest.raises(ValueError, match=r"clicks: column 'price' must hold numbers of at most .* not 1e\+36. Choose"):
        prepared(HEADER + rows + "1,s,1e36,a\n", schema)


@pytest.fixture(params=["rows", "vocabularies"])
def full_disk(request, monkeypatch):
    """Return a context in which the disk is full when these are written."""

    def fail(file, **arrays):
        raise OSError(errno.ENOSPC, "No space left on device")

    @contextlib.contextmanager
    def full():
        with monkeypatch.context() as patch:
            if request.param == "rows":
                patch.setattr(compact.np, "savez", fail)
            else:
                write = pl.DataFrame.write_parquet
                patch.setattr(pl.DataFrame, "write_parquet", lambda frame, path: write(frame, "/dev/full"))
            yield

    return full


def test_a_full_disk_is_one_line_and_the_preparation_goes_on_later(prepared, tmp_path, full_disk):
    with full_disk(), pytest.raises(OSError, match="the disk of .*prepared is full. Free space and rerun the command"):
        prepared(TEXT)
    assert not (tmp_path / "prepared").exists()
    assert sum(prepared(TEXT)[0].num_rows.values()) == 100
    assert not list(tmp_path.glob(".prepared*"))


def test_an_existing_folder_is_not_overwritten(prepared):
    prepared(TEXT)
    with pytest.raises(FileExistsError, match="pass --overwrite"):
        prepared(TEXT)


def test_a_text_that_marks_a_missing_number_is_proposed_as_such(prepared):
    schema = {"label": "click", "fields": [{"name": "price", "kind": "numerical"}]}
    for marker, written in (("NULL", '["NULL"]'), ("\\N", r'["\\N"]')):
        content = "click,price\n" + f"1,2\n0,{marker}\n" * 20
        with pytest.raises(ValueError, match=re.escape(f"write missing: {written} into the schema")):
            prepared(content, schema)
    assert prepared(content, {**schema, "missing": yaml.safe_load(written)})[1]["fields"][0]["missing_share"] == 0.5


def test_a_table_of_which_many_rows_cannot_be_used_is_refused(prepared):
    content = HEADER + "".join(ROWS) + "1,s1\n" * 6
    with pytest.raises(ValueError, match="row 102: 2 columns, expected 4. Correct the table or its schema"):
        prepared(content)
    with pytest.raises(ValueError, match="6 of 106 rows cannot be used, but --bad_rows=skip leaves out at most 5%"):
        prepared(content, bad_rows="skip")
    with pytest.raises(ValueError, match=r"leaves out at most 5.5%. .* --most_skipped allows more"):
        prepared(content, bad_rows="skip", most_skipped=0.055)  # 6 of 106 is 0.0566
    data, report = prepared(content, bad_rows="skip", most_skipped=0.057)
    assert sum(data.num_rows.values()) == 100 and report["bad_rows"] == 6


def test_a_share_that_is_none_or_does_nothing_is_refused(prepared):
    for share in (-0.1, 1.1, "0.2", True, float("nan")):
        with pytest.raises(ValueError, match="`most_skipped` must be a share of the rows, 0 to 1. Received: "):
            prepared(TEXT, bad_rows="skip", most_skipped=share)
    with pytest.raises(ValueError, match="`most_skipped` is for --bad_rows=skip, which skips rows. Pass both"):
        prepared(TEXT, most_skipped=0.2)


def test_one_class_after_skipping_is_refused_with_any_share(prepared):
    content = "click,price\n" + "1,2\n0,many\n" * 20
    schema = {"label": "click", "fields": [{"name": "price", "kind": "numerical"}]}
    with pytest.raises(ValueError, match="all labels of the split 'train' are 1"):
        prepared(content, schema, bad_rows="skip", most_skipped=1.0)
