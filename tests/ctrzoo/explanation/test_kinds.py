"""The registry: every name of the zoo is in it, and a kind of one's own is shown without any other change."""

import csv

import keras
import numpy as np
import pytest

from ctrzoo import models
from ctrzoo.explanation.analysis import analyse
from ctrzoo.explanation.explainer import explain_rows, kinds_of, matrices_of, vectors_of
from ctrzoo.explanation.kinds import KINDS, Kind, kind_of, register_kind
from ctrzoo.explanation.report import write_explanations
from ctrzoo.layers import FieldEmbedding
from ctrzoo.model import CTRModel, feature_inputs
from ctrzoo.schema import Field, Schema
from tests.models.cases import CASES, EACH, rows, with_history

CLOSENESS = Kind("closeness", ("field", "field"), "how close two fields are", signed=True, conclusive=True)
EXPERTS = Kind("experts", ("expert",), "the share of each expert", heading="Strongest experts")


class Toy(CTRModel):
    """Products of numbers of fields, and the shares of two experts."""

    def __init__(self, schema, **kwargs):
        features = feature_inputs(schema)
        embedded = FieldEmbedding(schema, 1, name="embedding")(features)
        closeness = keras.ops.einsum("bid,bjd->bij", embedded, embedded)
        experts = keras.ops.sigmoid(keras.ops.sum(embedded, axis=(1, 2)))
        experts = keras.ops.stack([experts, 1 - experts], axis=1)
        logit = keras.ops.sum(closeness, axis=(1, 2))[:, None]
        super().__init__(schema, features, logit, {"closeness": closeness, "experts": experts}, **kwargs)


@pytest.fixture
def toy():
    """The toy model, its four rows and their labels.

    The numbers of user, ad and hour in each row are (1, 2, 0.5), (-1, 3, 0), (1, 3, 0), (-1, 2, 0.5).
    """
    schema = Schema([Field(name, vocabulary_size=2) for name in ("user", "ad", "hour")])
    model = Toy(schema, name="toy")
    (table,) = model.trainable_weights
    table.assign([[0], [1], [-1], [2], [3], [0.5], [0]])
    ids = np.array([[1, 3, 5], [2, 4, 6], [1, 4, 6], [2, 3, 5]], "int32")
    return model, {"ids": ids, "values": np.ones((4, 3), "float32")}, np.array([1, 0, 1, 0])


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_kind_of_your_own_is_in_tables_report_and_picture(own_kinds, toy, tmp_path):
    model, features, labels = toy
    register_kind(CLOSENESS)
    register_kind(EXPERTS)
    analysis = analyse(model, features, labels, repeats=1)
    second = {name: array[1:2] for name, array in features.items()}
    path = write_explanations(tmp_path, model, analysis, second, labels[1:2], [["anna", "shoes", "noon"]], [1])
    text = path.read_text(encoding="utf-8")
    meanings = "<code>closeness</code>, how close two fields are; <code>experts</code>, the share of each expert."
    assert f"What the model names: {meanings}</p>" in text
    # Over the rows user x ad is 2, -3, 3, -2; ad x hour 1, 0, 0, 1; user x hour 0.5, 0, 0, -0.5.
    means = {(edge["field"], edge["other_field"]): float(edge["mean"]) for edge in read(tmp_path / "edges.csv")}
    assert means == {("user", "ad"): 2.5, ("ad", "hour"): 0.5, ("user", "hour"): 0.25}
    (pair,) = read(tmp_path / "rows.csv")
    assert (pair["field"], pair["value"], pair["other_field"], pair["other_value"]) == ("user", "anna", "ad", "shoes")
    assert (float(pair["weight"]), float(pair["share"]), float(pair["mean"])) == (-3, 1, 2.5)
    assert "<li><b>user</b> = anna with <b>ad</b> = shoes: -3, 100% of the strengths" in text
    # The sum of the row is 2: the first expert has sigmoid(2).
    assert "<p>Strongest experts: <b>expert 1</b> (0.881), <b>expert 2</b> (0.119).</p>" in text
    terms = [(term["explanation"], term["term"], float(term["weight"])) for term in read(tmp_path / "row_terms.csv")]
    assert terms == [
        ("experts", "expert 1", pytest.approx(1 / (1 + np.exp(-2)), rel=1e-5)),
        ("experts", "expert 2", pytest.approx(1 / (1 + np.exp(2)), rel=1e-5)),
    ]
    assert "<!-- closeness -->" in (tmp_path / "row_1.svg").read_text(encoding="utf-8")  # the title of its heat map


def test_a_name_that_is_no_kind_is_shown_by_its_shape(toy, tmp_path):
    model, features, labels = toy
    assert not any(kind in KINDS for kind in kinds_of(model).values())
    analysis = analyse(model, features, labels, repeats=1)
    text = write_explanations(tmp_path, model, analysis, features, labels).read_text(encoding="utf-8")
    assert "<code>closeness</code>, an explanation of shape (3, 3)" in text
    assert "<p>Strongest entries of experts: <b>entry 1</b> (0.881), <b>entry 2</b> (0.119).</p>" in text
    weights = [float(pair["weight"]) for pair in read(tmp_path / "rows.csv") if pair["row"] == "1"]
    assert weights == [3]  # without a sign: nothing says that the sign counts


@pytest.mark.parametrize("case", EACH)
def test_every_explanation_of_the_zoo_is_of_a_kind_and_has_its_axes(case, mixed_schema):
    mixed_schema = with_history(mixed_schema)
    model = case.random(mixed_schema)
    explained = explain_rows(model, rows(mixed_schema)[0])
    kinds, num_fields = kinds_of(model), mixed_schema.num_fields
    assert list(kinds) == model.explanation_names
    for name, kind in kinds.items():
        assert kind in KINDS, f"add `{name}` of {case} to KINDS"
        assert explained[name].ndim == 1 + len(kind.axes), name
        lengths = zip(kind.axes, explained[name].shape[1:], strict=True)
        assert all(length == num_fields for axis, length in lengths if axis == "field"), name
        assert (name in matrices_of(explained, num_fields)) != (name in vectors_of(explained, num_fields)), name


def test_crosses_are_pairs(mixed_schema):
    model = models.build("wide_deep", mixed_schema, crosses=(("user", "item"),), num_buckets=16, deep_units=(4,))
    assert all(kind in KINDS for kind in kinds_of(model).values()) and kinds_of(model)["pairs"].conclusive


ADDITIVE = ("lr", "fm", "ffm", "poly2", "afm", "fwfm", "fmfm")


@pytest.mark.parametrize("case", [case for case in CASES if case.name in ADDITIVE], ids=repr)
def test_what_is_signed_adds_up_to_the_logit(case, mixed_schema):
    """Models of fields and pairs alone: what is left of the logit is the bias, the same in all rows."""
    model = case.random(mixed_schema)
    explained = explain_rows(model, rows(mixed_schema, 20)[0])
    left = explained["logit"].astype(np.float64)
    for explanation, kind in kinds_of(model).items():
        values = explained[explanation]
        if kind.signed:
            left -= np.triu(values, 1).sum(axis=(1, 2)) if kind.is_of_pairs else values.sum(axis=1)
    assert np.ptp(explained["logit"]) > 0.1
    np.testing.assert_allclose(left, left[0], atol=1e-5)


def test_the_mask_of_a_field_is_the_mean_over_its_embedding():
    masks = np.array([[[1.0, -2.0, 3.0], [3.0, -4.0, 3.0]]])  # a row of two dimensions of three fields
    kind = kind_of("mask_2", (2, 3), num_fields=3)
    assert kind.axes == ("dimension", "field") and not kind.is_of_pairs
    np.testing.assert_array_equal(kind.vector(masks), [[2, -3, 3]])
    assert kind.labels(["user", "ad", "age"], 3) == ["user", "ad", "age"]
    assert kind_of("mask_1", (3, 3), num_fields=3) == kind  # not a matrix of pairs, although it has its shape


def test_one_name_may_have_several_kinds_by_axes():
    assert kind_of("order_2", (4,), num_fields=4).axes == ("field",)
    assert kind_of("order_2", (4, 4), num_fields=4).axes == ("field", "field")
    assert kind_of("attention_1", (2, 4, 4), num_fields=4).axes == ("head", "field", "field")
    assert kind_of("orders", (4,), num_fields=4).axes == ("order",)  # by its name, although there are four fields


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((), ()),
        ((4,), ("field",)),
        ((5,), ("entry",)),
        ((4, 4), ("field", "field")),
        ((5, 4), ("entry", "field")),
        ((4, 5), ("entry", "entry")),
        ((2, 3, 4, 4), ("entry", "entry", "field", "field")),
        ((4, 4, 4), ("entry", "field", "field")),
    ],
)
def test_the_axes_of_an_unknown_name_are_guessed_from_its_shape(shape, axes):
    kind = kind_of("unknown_1", shape, num_fields=4)
    assert (kind.axes, kind.name, kind.signed, kind.conclusive) == (axes, "unknown", False, False)


def test_a_known_name_of_another_shape_is_of_no_kind():
    assert kind_of("pairs", (3, 4, 4), num_fields=4) not in KINDS
    assert kind_of("fields", (5,), num_fields=4) not in KINDS


def test_what_has_neither_matrix_nor_vector():
    kind = Kind("states", ("layer", "unit"), "states")
    assert kind.matrix(np.ones((6, 2, 3))) is None and kind.vector(np.ones((6, 2, 3))) is None
    number = Kind("scale", (), "a number")
    assert number.matrix(np.ones(6)) is None and number.vector(np.ones(6)) is None


def test_the_latest_of_two_kinds_counts(own_kinds):
    mine = Kind("gates", ("field", "field"), "my gates", signed=True)
    register_kind(mine)
    assert kind_of("gates", (3, 3), num_fields=3) is mine


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "edges_1"}, "Received: 'edges_1'. Call it 'edges'"),
        ({"axes": "field"}, r"Received: 'field'. Write \('field',\)"),
        ({"axes": ("field",), "conclusive": True}, "Only a kind of pairs can be conclusive"),
    ],
)
def test_what_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Kind(**{"name": "edges", "axes": ("field", "field"), "meaning": "the weight of each edge", **change})
