"""Draw the models: `python -m ctrzoo.experiments.diagrams --folder=docs/understand/diagrams`."""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Sequence

from ctrzoo.files import write_text

from .draw import diagram
from .graph_layer import graph_layer_diagram
from .layouts import LAYOUTS


def drawings() -> dict[str, str]:
    """Return all diagrams as SVG, by the names of their files."""
    layers = {f"graphfm_layer_{name}": graph_layer_diagram(name) for name in ("reference", "paper")}
    return {f"{name}.svg": svg for name, svg in {**{name: diagram(name) for name in LAYOUTS}, **layers}.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Write all diagrams into a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=pathlib.Path, required=True, help="Where to write the SVG files.")
    folder = parser.parse_args(arguments).folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, svg in drawings().items():
        write_text(folder / name, svg)


if __name__ == "__main__":
    main()
