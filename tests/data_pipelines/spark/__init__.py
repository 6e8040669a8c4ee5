"""Tests of preparation on Spark."""
