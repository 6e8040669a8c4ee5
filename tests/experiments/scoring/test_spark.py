"""A Spark DataFrame scored by a run: the predictions of the prepared rows, and metrics by group."""

import numpy as np
import pyarrow as pa
import pytest

from ctrzoo.data_pipelines.encoding.roles import Roles
from ctrzoo.experiments import explained_run
from ctrzoo.experiments.scoring.spark import Scorer, _measured, evaluate, loaded, score
from tests.experiments.scored_table import FIRST_TEST_ROW, SCHEMA, clicks_frame, prepared_run
from tests.spark_session import spark  # noqa: F401


@pytest.fixture(scope="module")
def clicks(tmp_path_factory):
    """A run, the rows to score, and what the model predicts for the prepared ones."""
    folder = tmp_path_factory.mktemp("clicks")
    frame = clicks_frame()
    frame.to_csv(folder / "rows.csv", index=False)
    run, expected, *_ = prepared_run(folder, folder / "rows.csv", SCHEMA)
    new = frame[FIRST_TEST_ROW:].reset_index(drop=True)
    new["part"] = [f"part {row % 3}" for row in range(len(new))]
    new.replace("NULL", None).to_parquet(folder / "new.parquet")
    return run, new, expected, str(folder / "new.parquet")


def slow_auc(labels, scores):
    pairs = [(high > low) + (high == low) / 2 for high in scores[labels == 1] for low in scores[labels == 0]]
    return np.mean(pairs) if pairs else None


def test_the_predictions_are_those_of_the_prepared_rows_and_metrics_those_of_slow_loops(spark, clicks):  # noqa: F811
    run, new, expected, path = clicks
    scored = score(spark.read.parquet(path).repartition(3), run)
    assert scored.columns[-1] == "probability" and set(scored.columns[:-1]) == set(new.columns)
    rows = {row["day"]: row["probability"] for row in scored.select("day", "probability").collect()}
    found = np.array([rows[day] for day in new["day"]], np.float32)
    np.testing.assert_allclose(found, expected, rtol=2e-6)
    assert found.std() > 0.05
    labels, parts = new["click"].to_numpy().astype(int), new["part"].to_numpy()
    measured = {row["part"]: row for row in evaluate(scored, run, ["part"], ["auc", "log_loss"]).collect()}
    assert set(measured) == set(parts) and len(measured) == 3
    for part in measured:
        mine, scores = labels[parts == part], expected[parts == part].astype(float)
        assert measured[part]["rows"] == len(mine) == 200 and measured[part]["unscored"] == 0
        np.testing.assert_allclose(measured[part]["auc"], slow_auc(mine, scores), rtol=1e-5)
        np.testing.assert_allclose(
            measured[part]["log_loss"], -np.mean(np.log(np.where(mine == 1, scores, 1 - scores))), rtol=1e-5
        )
    (total,) = evaluate(scored, run, metrics=["auc"]).collect()
    np.testing.assert_allclose(total["auc"], slow_auc(labels, expected), rtol=1e-5)


def test_what_is_missing_is_said_before_any_work(spark, clicks):  # noqa: F811
    run, _, _, path = clicks
    dataframe = spark.read.parquet(path)
    with pytest.raises(ValueError, match="The DataFrame: .*column.* The run needs it"):
        score(dataframe.select("day"), run)
    with pytest.raises(ValueError, match="has a column 'probability'"):
        score(dataframe.withColumnRenamed("key", "probability"), run)
    with pytest.raises(ValueError, match="'error' or 'null'"):
        score(dataframe, run, bad_rows="skip")
    with pytest.raises(FileNotFoundError, match="Train a run first"):
        score(dataframe, f"{run}-other")
    with pytest.raises(ValueError, match="no column probability or prediction or score"):
        evaluate(dataframe, run)
    with pytest.raises(ValueError, match="'grouped_auc' is of the order within groups"):
        evaluate(dataframe, run, metrics=["grouped_auc"])


def test_rows_that_cannot_be_used_are_null_or_an_error(clicks):
    run, new, expected, _ = clicks
    texts = {name: pa.array(new[name].astype(str).where(new[name].notna(), "")) for name in new.columns}
    number = next(name for name, is_number in Scorer(run, run / "encoding").needed.items() if is_number)
    texts[number] = pa.array(["many", *texts[number].to_pylist()[1:]])
    batches = pa.table(texts).to_batches(max_chunksize=100)
    with pytest.raises(ValueError, match=f"partition 0 of the DataFrame, row 1: column '{number}' must hold finite"):
        list(Scorer(run, run / "encoding")(batches))
    found = pa.Table.from_batches(list(Scorer(run, run / "encoding", raises=False)(batches)))["probability"]
    assert found[0].as_py() is None and found.null_count == 1
    np.testing.assert_allclose(found.to_numpy()[1:], expected[1:], rtol=2e-6)


def test_a_process_loads_the_model_once(clicks, monkeypatch):
    run, new, *_ = clicks
    load, calls = explained_run.load_model, []
    monkeypatch.setattr(explained_run, "load_model", lambda *given: calls.append(given) or load(*given))
    loaded.cache_clear()
    batches = pa.table({name: new[name].astype(str).to_list() for name in new.columns}).slice(0, 5).to_batches()
    for _ in range(2):  # as two tasks do
        assert sum(batch.num_rows for batch in Scorer(run, run / "encoding", raises=False)(batches)) == 5
    assert len(calls) == 1


def test_rows_without_a_prediction_are_counted_and_left_out():
    labels, found = [1, 0, 0, 1], [0.9, None, 0.2, 0.1]
    rows = pa.table(
        {"site": ["a"] * 4, "click": labels, "probability": pa.array(found, pa.float32()), "w": [1, 5, 2, 3]}
    )
    measured = _measured(Roles("click", weight="w"), "probability", ("site",), ("auc",), rows).to_pylist()
    # Of the weights 1 and 3 of the clicks against 2 of the other row, the first pair is in order.
    assert measured == [{"site": "a", "rows": 3, "unscored": 1, "auc": 0.25}]
    one_class = _measured(Roles("click"), "probability", (), ("auc", "calibration"), rows.slice(0, 1)).to_pylist()
    assert one_class[0]["auc"] is None and abs(one_class[0]["calibration"] - 0.9) < 1e-6
    nothing = _measured(Roles("click"), "probability", (), ("auc",), rows.slice(1, 1)).to_pylist()
    assert nothing == [{"rows": 0, "unscored": 1, "auc": None}]
