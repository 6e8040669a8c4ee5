"""A Spark DataFrame scored by a run: the predictions of the prepared rows, and metrics by group."""

import numpy as np
import pytest

from ctrzoo.experiments.scoring.spark import Scorer, evaluate, score
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
    import pyarrow as pa

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
