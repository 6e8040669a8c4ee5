"""A session of Spark for programs, and errors of executors in one sentence."""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import sys
import typing
from collections.abc import Iterator, Sequence
from typing import Any

import ctrzoo

if typing.TYPE_CHECKING:
    from pyspark.sql import SparkSession  # pyright: ignore[reportMissingImports]

INSTALL = "Preparation on Spark needs pyspark and Java 17 or later. Run: pip install 'ctrzoo[spark]'"
CODE = "spark.executorEnv.PYTHONPATH"


@contextlib.contextmanager
def session_of(master: str, settings: Sequence[str] = ()) -> Iterator[SparkSession]:
    """Yield a session of Spark, which ends with the context. Executors import the ctrzoo of this process.

    Args:
        master: Where Spark runs, such as `local[4]`, `spark://host:7077`, `yarn` or `k8s://...`.
        settings: Spark's own settings, such as `"spark.executor.memory=4g"`.

    Raises:
        ValueError: If a setting has no `=`, pyspark or Java is missing, or Spark does not start.
    """
    pairs = dict(setting.split("=", 1) for setting in settings if "=" in setting)
    if len(pairs) < len(settings):
        raise ValueError(f"A setting of Spark is written name=value, each once. Received: {', '.join(settings)}.")
    try:
        from pyspark.errors import PySparkException  # pyright: ignore[reportMissingImports]
        from pyspark.sql import SparkSession  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ValueError(f"{INSTALL}. ({error})") from None
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    code = [str(pathlib.Path(ctrzoo.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    chosen: dict[str, Any] = {CODE: os.pathsep.join(code), "spark.ui.showConsoleProgress": "false", **pairs}
    try:
        session = SparkSession.builder.master(master).appName("ctrzoo").config(map=chosen).getOrCreate()
    except PySparkException as error:
        java = "JAVA_GATEWAY" in str(error)
        raise ValueError(f"{INSTALL}." if java else f"Spark does not start: {_first_line(error)}") from None
    try:
        yield session
    finally:
        session.stop()


@contextlib.contextmanager
def task_errors() -> Iterator[None]:
    """Turn errors of Spark into one sentence: that of the `ValueError` of a task if there is one.

    Raises:
        ValueError: If Spark fails within the context.
    """
    from py4j.protocol import Py4JError  # pyright: ignore[reportMissingImports]
    from pyspark.errors import PySparkException  # pyright: ignore[reportMissingImports]

    try:
        yield
    except (PySparkException, Py4JError) as error:
        raise ValueError(sentence_of(str(error))) from error


def sentence_of(message: str) -> str:
    r"""Return what a user can act on in a message of Spark, which may hold the traceback of a task.

    >>> sentence_of("Job aborted\n  File \"x.py\", line 1\nValueError: row 2: no number. Mend it.\n\n\tat org.apache")
    'row 2: no number. Mend it.'
    >>> sentence_of("[TABLE_NOT_FOUND] There is no table t.\nat org.apache")
    'Spark failed: [TABLE_NOT_FOUND] There is no table t.'
    """
    found = re.findall(r"^(?:\w+\.)*(?:ValueError|FileNotFoundError): (.+)$", message, re.MULTILINE)
    return found[-1].strip() if found else f"Spark failed: {_first_line(message)}"


def _first_line(error):
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
