"""A Spark session with two executors in processes of their own, where pyspark and Java are installed."""

import os
import pathlib
import shutil
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def spark(tmp_path_factory):
    """Return a session of Spark, or skip. `CTRZOO_SPARK_MASTER` names another master, such as `local[2,4]`."""
    sql = pytest.importorskip("pyspark.sql", reason="needs pyspark: pip install 'pyspark>=4.0'")
    if not (shutil.which("java") or os.environ.get("JAVA_HOME")):
        pytest.skip("needs Java 17: install it, or set JAVA_HOME")
    folder = tmp_path_factory.mktemp("spark")
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    os.environ["SPARK_WORKER_DIR"] = str(folder / "work")
    os.environ["SPARK_LOCAL_DIRS"] = str(folder / "local")
    os.environ["PYSPARK_PYTHON"] = sys.executable
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.executorEnv.PYTHONPATH": paths,
        "spark.executorEnv.CUDA_VISIBLE_DEVICES": "",
        "spark.sql.execution.arrow.maxRecordsPerBatch": "1000",
        "spark.sql.files.maxPartitionBytes": "1m",
    }
    builder = sql.SparkSession.builder.master(os.environ.get("CTRZOO_SPARK_MASTER", "local-cluster[2,1,2048]"))
    session = builder.config(map=settings).getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()
