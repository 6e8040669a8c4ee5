"""The pages next to exports: tables of slots, requests, examples."""

import json
import re

import numpy as np

from ctrzoo import models
from ctrzoo.experiments.exporting.pages import checked, page_of_embeddings, page_of_ids, page_of_saved_model, request_of
from ctrzoo.experiments.exporting.rows import CheckedRows
from ctrzoo.schema import Field, Schema

SCHEMA = Schema([Field("user|s", vocabulary_size=9), Field("age", "numerical"), Field("tags", "multivalued", 4, 2)])
FEATURES = {
    "ids": np.array([[0, 10, 0, 0], [3, 10, 11, 0]], np.int32),
    "values": np.array([[0, 0.5, 0, 0], [1, 2, 1, 0]], np.float32),
}


def test_a_page_without_raw_cells_shows_slots_and_the_fullest_row():
    model = models.build("lr", SCHEMA)
    rows = CheckedRows(FEATURES, None, "2 rows", [])
    page = page_of_ids(model, None, rows, np.array([0.25, 0.75], np.float32), "model.onnx", checked(model, 0, "2 rows"))
    assert "| 0 | user\\|s | categorical | – | 1 to 9 |" in page
    assert "| 1 | age | numerical | – | 10 to 10 | the number |" in page
    assert "| 2 to 3 | tags | multivalued |" in page
    assert "ids: [3, 10, 11, 0]\nvalues: [1.0, 2.0, 1.0, 0.0]\n" in page
    assert "`probability` is 0.75.\n" in page and "over 2 rows, is 0.0e+00." in page


def test_requests_have_rows_with_missing_numbers_and_vectors():
    inputs = {
        "site": np.array([b"\xc3\xa9", b""], object),
        "price": np.array([np.nan, 2.0]),
        "picture": np.array([[1.0, 2.0], [np.nan, np.nan]]),
    }
    text = json.dumps(request_of(inputs, 5), ensure_ascii=False)
    assert text == (
        '{"instances": [{"site": "é", "price": NaN, "picture": [1.0, 2.0]}, '
        '{"site": "", "price": 2.0, "picture": [NaN, NaN]}]}'
    )


def test_a_page_of_a_saved_model_has_a_request_and_its_answer():
    model = models.build("lr", SCHEMA, task="regression")
    page = page_of_saved_model(model, None, FEATURES, np.array([1.5, 2.5]), "Checked.")
    request, answer = (json.loads(text) for text in re.findall(r"```json\n(.*?)```", page, re.DOTALL))
    assert request["instances"][1] == {"ids": [3, 10, 11, 0], "values": [1.0, 2.0, 1.0, 0.0]}
    assert answer == {"predictions": [1.5, 2.5]}
    assert "| `ids` | int32 | (rows, 4) |" in page and "The output is `prediction`" in page
    assert "signature `ids`" not in page


def test_a_page_of_embeddings_names_files_and_notes():
    page = page_of_embeddings(["embedding.parquet", "linear_weights.parquet"], ["Checked.", "Left out."])
    assert "Checked.\nLeft out.\n" in page
    assert "| `embedding.parquet` | the embeddings |\n| `linear_weights.parquet` | one weight for each value" in page
