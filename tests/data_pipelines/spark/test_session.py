"""Sessions of Spark, and what becomes of its errors."""

import sys

import pytest

from ctrzoo.data_pipelines.spark.session import sentence_of, session_of, task_errors


def test_the_last_error_of_a_task_is_what_counts():
    message = """Job aborted due to stage failure: Task 0 in stage 1.0 failed 4 times:
org.apache.spark.api.python.PythonException: Traceback (most recent call last):
  File "engine.py", line 2, in read_chunk
ctrzoo.data_pipelines.errors.ValueError: first
ValueError: partition 0 of the table, row 7: no number. Pass --bad_rows=skip to skip such rows.

\tat org.apache.spark.api.python.BasePythonRunner"""
    expected = "partition 0 of the table, row 7: no number. Pass --bad_rows=skip to skip such rows."
    assert sentence_of(message) == expected
    assert sentence_of("\n[X] No table.\n\tat org") == "Spark failed: [X] No table."


def test_errors_of_spark_become_one_sentence():
    errors = pytest.importorskip("pyspark.errors", reason="needs pyspark: pip install 'pyspark>=4.0'")
    with pytest.raises(ValueError, match="^Spark failed: no executor$"), task_errors():
        raise errors.PySparkException("no executor\nat org.apache")


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyspark", None)
    monkeypatch.setitem(sys.modules, "pyspark.errors", None)
    with pytest.raises(ValueError, match=r"needs pyspark and Java 17.*ctrzoo\[spark\]"), session_of("local[1]"):
        pass


def test_settings_have_a_value():
    with pytest.raises(ValueError, match="written name=value.*spark.executor.memory"):
        with session_of("local[1]", ["spark.executor.memory"]):
            pass
