"""Every transform is one object: preparation, encoders, the serving graph and reading back agree row by row."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import tensorflow as tf

from ctrzoo.data_pipelines import FrameEncoder, load
from ctrzoo.data_pipelines.encoding.features import assemble
from ctrzoo.data_pipelines.encoding.fields import TableEncoding
from ctrzoo.data_pipelines.encoding.fitting import fit_field
from ctrzoo.data_pipelines.encoding.serving import ServingEncoder
from ctrzoo.data_pipelines.encoding.transforms import TRANSFORMS, Moments, transforms_of
from ctrzoo.data_pipelines.preparation.table import prepare_own_table

KINDS = [(kind, name) for kind in ("numerical", "categorical") for name in transforms_of(kind)]
TRANSFORMED = [(kind, name) for kind, name in KINDS if kind == "numerical" or name]
# Missing, signs, zeros, the edge of the logarithm, tiny, huge, and more digits than float32 has.
CELLS = ["", "NaN", " 3 ", "-7.5", "0", "-0.0", "2", "2.0000000000000004", "-2", "1e-300", "1e30", "-1e30", "100"]
CELLS += ["3.4e38", "-3.4e38", "978300760", "978300761", "0.1", *map(str, range(40))]
NUMBERS = np.array([float(cell or "nan") for cell in CELLS])


@pytest.fixture
def prepare(tmp_path):
    """Return a function that prepares `CELLS` as one field and returns the data, rows in the order of `CELLS`."""

    def prepare(kind, name, **options):
        table = pl.DataFrame({"click": [0, 1] * (len(CELLS) // 2), "row": range(len(CELLS)), "x": CELLS})
        table.write_csv(tmp_path / "x.csv")
        fields = [{"name": "row", "kind": "numerical"}, {"name": "x", "kind": kind, "transform": name, **options}]
        schema = {"label": "click", "fields": fields, "split": {"train": 1, "valid": 0, "test": 0}}
        prepare_own_table(tmp_path / "x", "x", tmp_path / "x.csv", schema)
        data = load(tmp_path / "x")
        features, _ = data.arrays("train")
        order = np.argsort(features["values"][:, 0])
        return data, {key: array[order] for key, array in features.items()}

    return prepare


def assert_equal(found, expected):
    np.testing.assert_array_equal(found["ids"], expected["ids"])
    # TensorFlow takes subnormal numbers, below 1.2e-38, for 0.
    np.testing.assert_allclose(found["values"], expected["values"], rtol=0, atol=np.finfo(np.float32).tiny)


@pytest.mark.parametrize("missing", ["absent", "category"])
@pytest.mark.parametrize(("kind", "name"), TRANSFORMED)
def test_all_that_encode_agree_row_by_row(prepare, kind, name, missing):
    if kind == "numerical" and missing == "category":
        pytest.skip("a numerical field has no ids")
    options = {"num_buckets": 5} if name == "quantile" else {}
    data, prepared = prepare(kind, name, **options, **({} if kind == "numerical" else {"missing": missing}))
    rows = np.arange(len(CELLS))
    for cells in (CELLS, NUMBERS):
        ids, numbers = data.encoding.encode(pl.DataFrame({"row": rows, "x": cells}))
        assert_equal(assemble(data.schema, ids, numbers), prepared)
        inputs = {"row": tf.constant(rows), "x": tf.constant(cells)}
        encoder = ServingEncoder(data.encoding)
        assert_equal(encoder(inputs), prepared)
        assert_equal(tf.function(encoder)(inputs), prepared)
    fitted = fit_field(data.encoding.fields[1].unfitted(), pl.Series("x", CELLS))
    assert fitted.to_dict() == data.encoding.fields[1].to_dict()
    again = TableEncoding.load(data.folder)
    assert again.to_dict() == data.encoding.to_dict()


@pytest.mark.parametrize("name", transforms_of("numerical"))
def test_a_frame_is_encoded_as_a_prepared_table(prepare, name):
    _, prepared = prepare("numerical", name)
    frame = pd.DataFrame({"row": np.arange(len(CELLS)), "x": NUMBERS})
    encoder = FrameEncoder(numerical=["row", "x"], scaling={"row": None, "x": name}).fit(frame)
    assert_equal(encoder.features(frame), prepared)


@pytest.mark.parametrize("name", transforms_of("numerical"))
def test_reading_back_gives_the_raw_numbers(prepare, name):
    data, _ = prepare("numerical", name)
    frame = data.frame("train").sort_values("row")
    transformer = data.encoding.fields[1].transformer
    missing = transformer.inverse_transform(np.zeros(1))  # stored as 0
    expected = np.where(np.isnan(NUMBERS), missing, NUMBERS)
    if name == "log_squared":
        expected = transformer.transform(expected)  # cannot be undone
    # float32 holds 7 digits of what the curve and the scale made; a square and an exponential magnify their error.
    np.testing.assert_allclose(frame["x"], expected, rtol=1e-4, atol=transformer.scale * 1e-6)


@pytest.mark.parametrize(("kind", "name"), TRANSFORMED)
def test_numpy_and_the_graph_do_the_same_in_float64(kind, name):
    numbers = NUMBERS[~np.isnan(NUMBERS)]
    transformer = TRANSFORMS[name](boundaries=(-7.5, 0.0, 100.0))
    fitted = TRANSFORMS[name](**{"boundaries": (), **transformer.fit([numbers[:20], numbers[20:]])})
    for each in (transformer, fitted):
        found = each.graph(tf.constant(NUMBERS, tf.float64))
        np.testing.assert_allclose(found, each.transform(NUMBERS), rtol=1e-14)
        assert np.isnan(found[:2]).all()


def test_sqrt_by_hand():
    expected = [-2, 0, 1.5, 10, np.nan]
    np.testing.assert_array_equal(TRANSFORMS["sqrt"]().transform(np.array([-4, 0, 2.25, 100, np.nan])), expected)


@pytest.mark.parametrize("transform", ["min_max", "standard"])
def test_moments_of_parts_are_those_of_the_whole(transform):
    numbers = np.random.default_rng(0).normal(5, 3, 1000)
    merged = Moments()
    for part in (numbers[:1], numbers[1:1], numbers[1:700], numbers[700:]):
        merged.merge(Moments.of([part]))
    fitted = TRANSFORMS[transform]().fit_moments(merged)
    low, high = numbers.min(), numbers.max()
    offset, scale = (low, high - low) if transform == "min_max" else (numbers.mean(), numbers.std())
    np.testing.assert_allclose([fitted["offset"], fitted["scale"]], [offset, scale], rtol=1e-12)


def test_quantiles_need_the_numbers_themselves():
    with pytest.raises(NotImplementedError, match="Quantile is not fitted to moments"):
        TRANSFORMS["quantile"]().fit_moments(Moments())
