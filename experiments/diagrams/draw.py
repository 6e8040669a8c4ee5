"""The diagram of a model: boxes from its layers, arrows from its graph."""

from __future__ import annotations

from ...models import build
from .flow import INPUT, Part, parts_of
from .layouts import LAYOUTS, TITLES
from .svg import Drawing

TOP, HEIGHT, GAP = 12, 56, 22


def diagram(name: str) -> str:
    """Return the diagram of a model as SVG.

    Args:
        name: A model of `layouts.LAYOUTS`.

    Raises:
        ValueError: If the layout does not fit the model, or a text its box.
    """
    layout = LAYOUTS[name]
    model = build(name, layout.schema, **layout.hyperparameters)
    places = {key: (*place, row) for row, boxes in enumerate(layout.rows) for key, place in boxes.items()}
    parts = parts_of(model, list(places))
    drawing = Drawing(f"{type(model).__name__}: {model.count_params():,} weights for {layout.schema.num_fields} fields")
    for key, part in parts.items():
        for parent in part.parents:
            drawing.arrow(_route(places[parent], places[key], layout.lanes.get((parent, key))))
    for key, part in parts.items():
        _box(drawing, key, part, places[key], layout.words[key])
    return drawing.svg(TOP + len(layout.rows) * (HEIGHT + GAP) - GAP + TOP)


def _top(row):
    return TOP + row * (HEIGHT + GAP)


def _route(parent, child, lane):
    """Return the points of an arrow from the lower side of a box to the upper side of another, or along a lane."""
    (x, width, row), (to, to_width, to_row) = parent, child
    start, end = _top(row) + HEIGHT, _top(to_row)
    if lane is None:
        near = [max(x - width / 2, to - to_width / 2), min(x + width / 2, to + to_width / 2)]
        if near[1] - near[0] >= 24:  # the boxes overlap: a straight arrow
            middle = to if near[0] <= to <= near[1] else x if near[0] <= x <= near[1] else sum(near) / 2
            return [(middle, start), (middle, end)]
        return [(x, start), (x, end - GAP / 2), (to, end - GAP / 2), (to, end)]
    side = to - to_width / 2 if lane < to else to + to_width / 2
    middle = _top(to_row) + HEIGHT / 2
    out = x - width / 2 if lane < x - width / 2 else x + width / 2 if lane > x + width / 2 else None
    if out is None:  # the lane starts below the box
        return [(lane, start), (lane, middle), (side, middle)]
    begin = _top(row) + HEIGHT / 2
    return [(out, begin), (lane, begin), (lane, middle), (side, middle)]


def _box(drawing, key, part: Part, place, words):
    x, width, row = place
    top, room = _top(row), width - 8
    drawing.box(x - width / 2, top, width, HEIGHT, "plain" if key == INPUT or not part.weights else "box")
    drawing.text(x, top + 16, TITLES.get(key, TITLES.get(part.kind, part.kind)), "bold", room)
    drawing.text(x, top + 32, words, "", room)
    drawing.text(x, top + 48, f"{part.shape[0]} slots" if key == INPUT else numbers(part), "soft", room)


def numbers(part: Part) -> str:
    """Return the shape of a part's output and the number of its weights.

    >>> numbers(Part("Dense", (4, 16), 1200, ()))
    '4 × 16; 1,200 weights'
    """
    shape = " × ".join(map(str, part.shape))
    return shape + (f"; {part.weights:,} weight{'s' if part.weights > 1 else ''}" if part.weights else "")
