"""Where runs are recorded; loads nothing heavy."""

from __future__ import annotations

import importlib.util
import pathlib

from ctrzoo.types import Path

TRACKERS = ("mlflow",)
FOLDER = "mlruns"
TRACK_HELP = 'Record runs with MLflow (`pip install "ctrzoo[mlflow]"`).'
URI_HELP = "Where MLflow records: a folder or the address of a store."


def check_tracking(track: str | None, tracking_uri: str | None) -> None:
    """Refuse flags of tracking that cannot work.

    Args:
        track: One of `TRACKERS`, or None.
        tracking_uri: Where to record, or None.

    Raises:
        ValueError: If MLflow is not installed, or a place is given but nothing records to it.

    >>> check_tracking(None, "runs/mlruns")
    Traceback (most recent call last):
        ...
    ValueError: --tracking_uri needs --track=mlflow. Add it, or leave out --tracking_uri=runs/mlruns.
    """
    if track is None and tracking_uri is not None:
        raise ValueError(f"--tracking_uri needs --track=mlflow. Add it, or leave out --tracking_uri={tracking_uri}.")
    if track is not None and importlib.util.find_spec("mlflow") is None:
        raise ValueError('--track=mlflow needs MLflow. Install it by `pip install "ctrzoo[mlflow]"`.')


def address_of(tracking_uri: str | None, folder: Path) -> str:
    """Return the address of a store.

    Args:
        tracking_uri: The address, or the path of a folder; None stands for `mlruns` in `folder`.
        folder: The folder of the default store.

    >>> address_of(None, "/runs"), address_of("/all", "/runs"), address_of("http://host:5000", "/runs")
    ('file:///runs/mlruns', 'file:///all', 'http://host:5000')
    """
    if tracking_uri is None:
        return (pathlib.Path(folder).resolve() / FOLDER).as_uri()
    return tracking_uri if ":" in tracking_uri else pathlib.Path(tracking_uri).resolve().as_uri()
