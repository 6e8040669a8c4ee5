"""The requests of `serving/README.md` get the answers it describes, from a process without ctrzoo."""

import json
import pathlib
import re

import numpy as np
import pytest

from ctrzoo import models
from ctrzoo.data_pipelines.encoding.field import FieldEncoding
from ctrzoo.data_pipelines.encoding.fields import TableEncoding
from ctrzoo.experiments.exporting.pages import IMAGE
from ctrzoo.experiments.exporting.saved_model import save_model
from tests.experiments.exporting.serving import served
from tests.models.cases import randomize

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "serving"
ENCODING = TableEncoding(
    [FieldEncoding("site", values=["example.com", "example.org"]), FieldEncoding("price", "numerical")]
)


@pytest.fixture
def page():
    return (FOLDER / "README.md").read_text(encoding="utf-8")


def test_requests(page, tmp_path):
    model = models.build("fm", ENCODING.schema)
    randomize(model)
    save_model(model, ENCODING, tmp_path / "clicks" / "1")
    features = {"ids": np.array([[2, 3], [0, 3]], np.int32), "values": np.array([[1, 2.5], [0, 0]], np.float32)}
    expected = np.asarray(model(features))[:, 0]
    requests = re.findall(r"```json\n(.*?)\n```", page, re.DOTALL)
    with served(tmp_path) as ask:
        found = [ask("clicks", request.encode()) for request in requests]
    assert [list(answer) for answer in found] == [["predictions"], ["outputs"], ["outputs"]]
    for answer in found:
        np.testing.assert_allclose(next(iter(answer.values())), expected, rtol=0, atol=1e-6)
    assert json.loads(requests[2])["signature_name"] == "ids" and abs(expected[0] - expected[1]) > 1e-3


def test_the_image_has_a_version_and_the_model_where_it_is_looked_for(page):
    lines = (FOLDER / "Dockerfile").read_text().splitlines()
    (image,) = [line for line in lines if line.startswith("FROM ")]
    assert re.fullmatch(r"FROM tensorflow/serving:\d+\.\d+\.\d+", image) and image == f"FROM {IMAGE}"
    name = next(line for line in lines if line.startswith("ENV MODEL_NAME=")).partition("=")[2]
    assert f"COPY savedmodel /models/{name}" in lines and f"/v1/models/{name}:predict" in page
