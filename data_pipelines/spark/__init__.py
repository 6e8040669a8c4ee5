"""Preparation on Apache Spark: `prepare(dataframe, schema, folder)`, and the same from a program's `--engine=spark`."""

from .preparing import prepare

__all__ = ["prepare"]
