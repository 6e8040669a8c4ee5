"""The tables and the picture of `docs/understand/scale.md`, written anew from measured points.

The page is written by hand, but for the tables between marks.
"""

from __future__ import annotations

import pathlib
import re
import statistics
from collections.abc import Callable, Mapping

from ..claims.markdown import table_lines
from . import terabyte
from .costs import Prices, fitted, predicted, read_points
from .measuring import DEVICES, Point, backend_of
from .terabyte import Row

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "understand" / "scale.md"
PICTURE = PAGE.with_name("scale.png")


def prices_of(points: Mapping[Point, float]) -> dict[str, Prices]:
    """Return the prices of each backend, fitted to its points of fewer than the most devices."""
    backends = sorted({backend_of(point) for point in points})
    return {backend: fitted(*zip(*_known(points, backend), strict=True)) for backend in backends}


def _known(points, backend):
    return [
        (point, seconds)
        for point, seconds in points.items()
        if backend_of(point) == backend and point.num_devices < DEVICES[-1]
    ]


def point_rows() -> list[Row]:
    """Return the measured points next to the predicted ones."""
    points = read_points()
    prices, rows = prices_of(points), []
    for point, seconds in sorted(
        points.items(),
        key=lambda each: (each[0].strategy, each[0].batch_size, each[0].width, each[0].hidden, each[0].num_devices),
    ):
        expected = predicted(point, prices[backend_of(point)])
        rows.append(
            {
                "strategy": f"`{point.strategy}`",
                "batch": f"{point.batch_size:,}",
                "width": point.width,
                "hidden": point.hidden,
                "devices": point.num_devices,
                "measured, ms": f"{1e3 * seconds:.0f}",
                "predicted, ms": f"{1e3 * expected:.0f}",
                "error": f"{100 * (expected / seconds - 1):+.0f} %",
                "used for the fit": "no" if point.num_devices == DEVICES[-1] else "yes",
            }
        )
    return rows


def price_rows() -> list[Row]:
    """Return the fitted prices and their errors, on the points of the fit and on the others."""
    points, rows = read_points(), []
    for backend, prices in prices_of(points).items():
        errors = {
            is_fitted: [
                abs(predicted(point, prices) / seconds - 1)
                for point, seconds in points.items()
                if backend_of(point) == backend and (point.num_devices < DEVICES[-1]) == is_fitted
            ]
            for is_fitted in (True, False)
        }
        rows.append(
            {
                "backend": {"jax": "JAX", "tensorflow": "TensorFlow"}[backend],
                "ms per step and device": f"{1e3 * prices.overhead:.2f}",
                "µs per MFLOP": f"{1e12 * prices.flop:.1f}",
                "ns per KB moved": f"{1e12 * prices.moved_byte:,.0f}",
                "ns per id": f"{1e9 * prices.id:,.0f}",
                "ns per KB sent": f"{1e12 * prices.sent_byte:,.0f}",
                "errors of points of the fit": _spread(errors[True]),
                "errors of 8 devices, not used for it": _spread(errors[False]),
            }
        )
    return rows


def _spread(errors):
    number = "1 point" if len(errors) == 1 else f"{len(errors)} points"
    return f"{number}: median {100 * statistics.median(errors):.0f} %, at most {100 * max(errors):.0f} %"


TABLES: dict[str, Callable[[], list[Row]]] = {
    "points": point_rows,
    "prices": price_rows,
    "folder": terabyte.folder_rows,
    "preparation": terabyte.preparation_rows,
    "memory": terabyte.memory_rows,
    "steps of width 16": lambda: terabyte.step_rows(16),
    "steps of width 128": lambda: terabyte.step_rows(128, (8, 64)),
    "hosts": terabyte.host_rows,
    "checkpoints": terabyte.checkpoint_rows,
    "limits": terabyte.limit_rows,
}


def updated(page: str) -> str:
    """Return the page with the tables between its marks written anew.

    Args:
        page: The page, with lines `<!-- begin: points -->` and `<!-- end -->`, and so on.

    Raises:
        ValueError: If the marks of a table are not there exactly once.
    """
    for name, rows in TABLES.items():
        table = "\n".join(table_lines(rows()))
        mark = rf"(<!-- begin: {re.escape(name)} -->\n).*?(<!-- end -->)"
        page, count = re.subn(mark, lambda found, table=table: f"{found[1]}{table}\n{found[2]}", page, flags=re.DOTALL)
        if count != 1:
            raise ValueError(f"The page must have the marks '<!-- begin: {name} -->' and '<!-- end -->' once.")
    return page
