"""The Spark session of the tests."""

from tests.spark_session import spark  # noqa: F401
