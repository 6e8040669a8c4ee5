import datetime
import json

import numpy as np
import pandas as pd
import polars as pl
import pytest

from ctrzoo.data_pipelines import FrameEncoder, PreparedWriter, load

FRAME = pd.DataFrame(
    {
        "city": ["Rome", None, "Oslo", "Rome", ""],
        "zone": [7.0, 3.0, np.nan, 7.0, 3.0],
        "price": [1.0, 3.0, np.nan, 5.0, 7.0],
        "genres": ["Drama|Comedy", "", None, "War", "Comedy|Drama|War"],
        "click": [1, 0, 0, 1, 0],
    }
)


def encoder(**options):
    return FrameEncoder("click", ["city", "zone"], ["price"], ["genres"], **options)


def test_a_frame_becomes_the_features_of_the_design():
    features, labels = encoder().fit(FRAME).encode(FRAME)
    # Oslo 1, Rome 2; zone "3" 3, "7" 4; price 5; Comedy 6, Drama 7, War 8.
    np.testing.assert_array_equal(
        features["ids"],
        [[2, 4, 5, 7, 6, 0], [0, 3, 5, 0, 0, 0], [1, 0, 5, 0, 0, 0], [2, 4, 5, 8, 0, 0], [0, 3, 5, 6, 7, 8]],
    )
    z = 3 / np.sqrt(5)  # 7 less the mean 4, by the deviation of 1, 3, 5, 7
    np.testing.assert_allclose(
        features["values"],
        [
            [1, 1, -z, 1 / 2, 1 / 2, 0],
            [0, 1, -z / 3, 0, 0, 0],
            [1, 0, 0, 0, 0, 0],
            [1, 1, z / 3, 1, 0, 0],
            [0, 1, z, 1 / 3, 1 / 3, 1 / 3],
        ],
        rtol=1e-6,
    )
    np.testing.assert_array_equal(labels, [[1], [0], [0], [1], [0]])
    assert features["ids"].dtype == np.int32 and features["values"].dtype == labels.dtype == np.float32


def test_the_schema_follows_the_order():
    schema = encoder(order=["genres", "price", "zone", "city"], pooling="sum", max_values=2).fit(FRAME).schema
    assert schema.names == ("genres", "price", "zone", "city")
    assert [field.vocabulary_size for field in schema.fields] == [3, 1, 2, 2]
    assert schema.fields[0].num_slots == 2 and schema.fields[0].pooling == "sum" and schema.label == "click"


def test_unseen_values_are_absent():
    new = FRAME.assign(city="Bonn", zone=99, genres="Horror|War")
    features = encoder().fit(FRAME).features(new)
    np.testing.assert_array_equal(features["ids"], [[0, 0, 5, 8, 0, 0]] * 5)
    np.testing.assert_array_equal(features["values"][:, [0, 1, 3, 4, 5]], [[0, 0, 1, 0, 0]] * 5)


def test_rare_and_unseen_values_share_the_first_id():
    fitted = encoder(min_count=2).fit(FRAME)
    # Rare 1, Rome 2; rare 3, zones 4 and 5; price 6; rare 7, Comedy 8, Drama 9, War 10.
    assert [field.vocabulary_size for field in fitted.schema.fields] == [2, 3, 1, 4]
    new = pd.DataFrame({"city": ["Oslo", None], "zone": [8, 3], "price": [1, 1], "genres": ["Horror|War", ""]})
    np.testing.assert_array_equal(fitted.features(new)["ids"], [[1, 3, 6, 7, 10, 0], [0, 4, 6, 0, 0, 0]])


def test_a_value_is_the_same_as_number_and_text():
    fitted = FrameEncoder(categorical=["zone"]).fit(pd.DataFrame({"zone": [3, 7]}))
    for zones in ([3, 7], [3.0, 7.0], ["3", "7"], pd.array([3, 7], "Int64"), pd.Categorical([3, 7])):
        np.testing.assert_array_equal(fitted.features(pd.DataFrame({"zone": zones}))["ids"], [[1], [2]])


def test_the_last_values_of_long_cells_are_kept():
    first, last = encoder(max_values=2).fit(FRAME), encoder(max_values=2, keep="last", pooling="max").fit(FRAME)
    assert first.features(FRAME)["ids"][4, 3:].tolist() == [6, 7]  # Comedy, Drama
    for one in (last, FrameEncoder.from_dict(last.to_dict())):
        features = one.features(FRAME)
        assert features["ids"][:, 3:].tolist() == [[7, 6], [0, 0], [0, 0], [8, 0], [7, 8]]  # Drama, War
        assert features["values"][:, 3:].tolist() == [[1, 1], [0, 0], [0, 0], [1, 0], [1, 1]]
    with pytest.raises(ValueError, match="`keep` must be one of first, last"):
        encoder(keep="newest")


TIMES = [datetime.datetime(2024, 6, 1, 3), datetime.datetime(2024, 6, 2), None]
DATES = [datetime.date(2024, 6, 1), datetime.date(2024, 6, 2), None]


def test_a_frame_of_times_is_encoded():
    frame = pd.DataFrame({"day": DATES, "time": TIMES, "number": TIMES})
    features = FrameEncoder(categorical=["day", "time"], numerical=["number"], scaling="min_max").fit(frame)
    np.testing.assert_array_equal(features.features(frame)["ids"], [[1, 3, 5], [2, 4, 5], [0, 0, 5]])
    np.testing.assert_array_equal(features.features(frame)["values"][:, 2], [0, 1, 0])


def test_lists_equal_text_with_separators():
    lists = FRAME.assign(genres=[["Drama", "Comedy"], [], None, ("War",), np.array(["Comedy", "Drama", "War"])])
    text, listed = encoder().fit(FRAME), encoder().fit(lists)
    assert text.to_dict() == listed.to_dict()
    np.testing.assert_array_equal(text.features(FRAME)["ids"], listed.features(lists)["ids"])
    with_commas = FRAME.assign(genres=FRAME["genres"].str.replace("|", ", "))
    comma = encoder(separator=", ").fit(with_commas)
    assert [field.values.to_list() for field in comma.encoding.fields] == [
        field.values.to_list() for field in text.encoding.fields
    ]


def test_each_multivalued_cell_is_split_by_its_own_type():
    fitted = FrameEncoder(multivalued=["m"]).fit(pd.DataFrame({"m": ["7|ab|q|y"]}))  # ids 1 to 4
    mixed = ["ab|y", ["q"], 7, None, "7|y", np.array([7.0, np.nan]), [pd.NA, "y"], ""]
    expected = [[2, 4], [3, 0], [1, 0], [0, 0], [1, 4], [1, 0], [4, 0], [0, 0]]
    np.testing.assert_array_equal(fitted.features(pd.DataFrame({"m": mixed}))["ids"][:, :2], expected)
    again = FrameEncoder(multivalued=["m"]).fit(pd.DataFrame({"m": mixed}))
    assert again.encoding.fields[0].values.to_list() == ["7", "ab", "q", "y"]
    category = pd.DataFrame({"m": pd.Categorical(["ab|y", None, "q"])})
    np.testing.assert_array_equal(fitted.features(category)["ids"][:, :2], [[2, 4], [0, 0], [3, 0]])


@pytest.mark.parametrize(
    "cells",
    [
        [True, False, True],
        np.array([True, False, True], object),
        pd.Categorical([True, False, True]),
        pd.array([True, False, True], "boolean"),
        ["true", "false", "true"],
    ],
)
@pytest.mark.parametrize("kind", ["categorical", "multivalued"])
def test_truth_values_are_the_same_with_gaps_and_as_text(kind, cells):
    gaps = pd.DataFrame({"known": [True, False, None]})
    fitted = FrameEncoder(**{kind: ["known"]}).fit(gaps)
    assert fitted.encoding.fields[0].values.to_list() == ["false", "true"]
    np.testing.assert_array_equal(fitted.features(gaps)["ids"], [[2], [1], [0]])
    np.testing.assert_array_equal(fitted.features(pd.DataFrame({"known": cells}))["ids"], [[2], [1], [2]])
    polars = pl.DataFrame({"known": [True, False, None]})  # as tables are prepared
    np.testing.assert_array_equal(fitted.encoding.encode(polars)[0], [[2], [1], [0]])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8, np.bool_])
def test_lists_hold_numbers_of_any_type(dtype):
    lists = pd.DataFrame({"m": [np.array([1, 0], dtype), list(np.array([1], dtype))]})
    values = FrameEncoder(multivalued=["m"]).fit(lists).encoding.fields[0].values.to_list()
    assert values == (["false", "true"] if dtype is np.bool_ else ["0", "1"])


def test_more_values_than_slots_are_cut():
    features = encoder(max_values=2).fit(FRAME).features(FRAME)
    np.testing.assert_array_equal(features["ids"][4, 3:], [6, 7])
    np.testing.assert_array_equal(features["values"][4, 3:], [0.5, 0.5])


@pytest.mark.parametrize(
    ("scaling", "expected"),
    [
        ("min_max", [0, 1 / 3, 0, 2 / 3, 1]),
        # floor(ln(3)^2) = 1, floor(ln(5)^2) = 2, floor(ln(7)^2) = 3
        ("log_squared", [1, 1, 0, 2, 3]),
        (None, [1, 3, 0, 5, 7]),
    ],
)
def test_scalings(scaling, expected):
    values = encoder(scaling=scaling).fit(FRAME).features(FRAME)["values"][:, 2]
    np.testing.assert_allclose(values, expected, rtol=1e-6)


def test_a_constant_or_empty_column_is_no_error():
    frame = pd.DataFrame({"n": [2.0, 2.0], "none": [None, None], "c": [None, None], "click": [0, 1]})
    features, _ = FrameEncoder("click", ["c"], ["n", "none"]).fit(frame).encode(frame)
    np.testing.assert_array_equal(features["values"], np.zeros((2, 3)))


@pytest.mark.parametrize("scaling", ["standard", "min_max"])
def test_a_constant_number_is_the_zero_of_its_column_and_not_magnified(scaling):
    # The float64 deviation of a hundred times 0.1 is 1e-17 and not 0.
    fitted = FrameEncoder(numerical=["n"], scaling=scaling).fit(pd.DataFrame({"n": [0.1] * 100}))
    features = fitted.features(pd.DataFrame({"n": [0.1, 0.35, None]}))
    np.testing.assert_allclose(features["values"], [[0], [0.25], [0]], rtol=1e-6)


def test_json_round_trip_encodes_alike():
    fitted = encoder(min_count=2, scaling="min_max").fit(FRAME)
    again = FrameEncoder.from_dict(json.loads(json.dumps(fitted.to_dict())))
    assert again.schema == fitted.schema
    for key, array in fitted.features(FRAME).items():
        np.testing.assert_array_equal(again.features(FRAME)[key], array)


def test_the_row_index_of_the_frame_does_not_matter():
    shuffled = FRAME.set_index(pd.Index([9, 9, 3, 0, 1]))
    np.testing.assert_array_equal(
        encoder().fit(shuffled).encode(shuffled)[0]["ids"], encoder().fit(FRAME).encode(FRAME)[0]["ids"]
    )


def test_a_frame_can_be_written(tmp_path):
    fitted = encoder().fit(FRAME)
    with PreparedWriter(tmp_path / "mine", "mine", fitted.schema, fitted.encoding) as writer:
        writer.add("train", fitted.block(FRAME))
        writer.add("test", fitted.block(FRAME))
    data = load(tmp_path / "mine")
    np.testing.assert_array_equal(data.arrays("test")[0]["values"], fitted.features(FRAME)["values"])
    assert data.encoding.to_dict() == fitted.encoding.to_dict()


def test_columns_can_have_their_own_minimum_count_and_scaling():
    fitted = encoder(min_count={"genres": 2}, scaling={"price": "log1p"}).fit(FRAME)
    assert [field.vocabulary_size for field in fitted.schema.fields] == [2, 2, 1, 4]
    np.testing.assert_allclose(fitted.features(FRAME)["values"][:2, 2], np.log([2, 4]), rtol=1e-6)


def test_it_agrees_with_a_slow_loop():
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "a": random.choice(["x", "y", "z", None], 500),
            "m": ["|".join(random.choice(list("pqrst"), random.integers(0, 4))) for _ in range(500)],
        }
    )
    features = FrameEncoder(categorical=["a"], multivalued=["m"]).fit(frame).features(frame)
    for row, (a, m) in enumerate(frame.itertuples(index=False)):
        ids = [0 if a is None or a != a else "xyz".index(a) + 1]
        ids += ["pqrst".index(value) + 4 for value in m.split("|") if value]
        np.testing.assert_array_equal(features["ids"][row], ids + [0] * (4 - len(ids)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.rename(columns={"city": "ctiy"}), "Unknown column 'city'. Did you mean 'ctiy'?"),
        (lambda frame: frame.drop(columns="click"), "Unknown column 'click'"),
        (lambda frame: frame.assign(click=[0, 1, 2, 0, 1]), "Row 2: the label 'click' must be 0 or 1, not 2"),
        (lambda frame: frame.assign(click=[0, 1, None, 0, 1]), "Row 2: the label 'click' must be 0 or 1, not None"),
        (
            lambda frame: frame.assign(price=[1, "cheap", 2, 3, 4]),
            "Row 1: column 'price' must hold finite numbers, not 'cheap'",
        ),
        (
            lambda frame: frame.assign(price=[1, np.inf, 2, 3, 4]),
            "Row 1: column 'price' must hold finite numbers, not inf",
        ),
        (lambda frame: frame.assign(city=[["a"]] * 5), "Column 'city' must hold one value per cell.*`multivalued`"),
        (lambda frame: frame.assign(price=1e39), r"Row 0: column 'price' must hold numbers of at most 3.4e\+38 once"),
        (lambda frame: frame.head(0), "no rows"),
    ],
)
def test_wrong_frames_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        encoder().fit(change(FRAME)).encode(change(FRAME))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"categorical": "city"}, "`categorical` must be a list"),
        ({"numerical": ["price"], "scaling": "minmax"}, "`transform` of a numerical field must be one of .*'minmax'"),
        ({"categorical": ["city"], "min_count": 0}, "`min_count`"),
        ({"categorical": ["a", "b"], "order": ["a", "c"]}, r"`order` must name each field once.*\['b', 'c'\]"),
        (
            {"categorical": ["site"], "min_count": {"stie": 2}},
            "Unknown column in `min_count` 'stie'. Did you mean 'site'",
        ),
        ({"numerical": ["ab"], "scaling": {"pp": None}}, "Unknown column in `scaling` 'pp'. Known: ab"),
        ({"categorical": ["a"], "scaling": {"a": None}}, "Unknown column in `scaling` 'a'. Known: none"),
        ({"numerical": ["a"], "min_count": {"a": 2}}, "Unknown column in `min_count` 'a'. Known: none"),
        ({"categorical": ["label"]}, "must not be a field"),
        ({"categorical": ["a"], "numerical": ["a"]}, "more than once: a"),
        ({}, "at least one field"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        FrameEncoder(**arguments)


def test_an_unfitted_encoder_says_so():
    with pytest.raises(ValueError, match="Call `fit` first"):
        encoder().features(FRAME)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pl.from_pandas(FRAME), "Received: polars DataFrame. .* `frame.to_pandas\\(\\)`"),
        (FRAME.to_dict("list"), "Received: builtins dict. .* `pandas.DataFrame"),
        (None, "takes a pandas frame"),
        (pd.concat([FRAME, FRAME[["city"]]], axis=1), "2 columns are named 'city'. Rename all but one"),
        (FRAME.assign(price=FRAME.price + 1j), "Column 'price' holds complex128, which no field reads"),
    ],
)
def test_what_is_no_frame_of_cells_is_named(frame, message):
    with pytest.raises(ValueError, match=message):
        encoder().fit(frame)
    with pytest.raises(ValueError, match=message):
        encoder().fit(FRAME).features(frame)


@pytest.mark.parametrize("click", [[1, 1], [[1], [0]]])
def test_labels_in_two_columns_or_in_lists_are_refused(click):
    frame = pd.DataFrame({"city": ["Rome", "Oslo"]})
    fitted = FrameEncoder("click", ["city"]).fit(frame)
    labels = pd.DataFrame({"click": click}) if isinstance(click[0], list) else pd.DataFrame([click] * 2)
    with pytest.raises(ValueError, match="2 columns are named 'click'|'click' must hold one value per cell"):
        fitted.encode(pd.concat([frame, labels.set_axis(["click"] * labels.shape[1], axis=1)], axis=1))


def test_sparse_columns_are_read_as_dense_ones():
    frame = pd.DataFrame({"city": [0, 1, 0, 0], "price": [0.0, 0.0, 2.0, 0.0], "click": [0, 1, 0, 0]})
    sparse = frame.astype({name: pd.SparseDtype(dtype, 0) for name, dtype in frame.dtypes.items()})
    fitted = FrameEncoder("click", ["city"], ["price"]).fit(frame)
    for ours, theirs in zip(fitted.block(sparse), fitted.block(frame), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_times_with_an_offset_are_taken_in_utc():
    times = pd.date_range("2024-01-01", periods=4, tz="+05:30")
    frame = pd.DataFrame({"time": times, "click": [0, 1, 0, 1]})
    in_utc = frame.assign(time=times.tz_convert("UTC"))
    for arguments in ({"categorical": ["time"]}, {"numerical": ["time"]}):
        fitted = FrameEncoder("click", **arguments).fit(in_utc)
        np.testing.assert_equal(fitted.features(frame), fitted.features(in_utc))
