"""A small drawing as SVG text: boxes, lines and labels that are readable 400 pixels wide, on light and dark pages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.sax.saxutils import escape

WIDTH = 400
# Each drawing has its own ground, so it is readable whatever the page's color; it follows the reader's scheme.
STYLE = """
text { font-family: system-ui, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #1b1f24; font-size: 12px; }
.ground { fill: #ffffff; stroke: #d5dae1; } .box { fill: #eef3fb; stroke: #7f9cc9; }
.plain { fill: #ffffff; stroke: #8a94a3; } .node { fill: #ffffff; stroke: #3f6fb5; stroke-width: 1.5; }
.bold { font-weight: 600; } .soft { fill: #5b6470; font-size: 11px; }
.line { fill: none; stroke: #6b7685; stroke-width: 1.3; } .head { fill: #6b7685; }
.strong { fill: none; stroke: #c65d07; } .faint { fill: none; stroke: #9aa4b1; stroke-dasharray: 3 3; }
.chosen { fill: #fdebdc; stroke: #c65d07; stroke-width: 1.5; }
@media (prefers-color-scheme: dark) {
text { fill: #e6e9ee; } .soft { fill: #a7b0bd; } .ground { fill: #16181c; stroke: #343a43; }
.box { fill: #1f2a3d; stroke: #5f7fb3; } .plain { fill: #16181c; stroke: #7b8594; }
.node { fill: #16181c; stroke: #7fa6e0; } .line { stroke: #98a2b0; } .head { fill: #98a2b0; }
.strong { stroke: #f0924a; } .faint { stroke: #6b7685; } .chosen { fill: #43301f; stroke: #f0924a; }
}"""
# The mean width of a letter in a wide font, in shares of the font size, so that texts stay within their boxes.
LETTERS = {"": 0.55, "bold": 0.62, "soft": 0.55}
SIZES = {"": 12, "bold": 12, "soft": 11}


class Drawing:
    """Collects the parts of a drawing.

    Args:
        title: What the drawing shows, for readers that do not see it.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self.parts: list[str] = []

    def box(self, x: float, y: float, width: float, height: float, look: str = "box") -> None:
        """Draw a rectangle of a class of `STYLE`, from its upper left corner."""
        self.parts.append(f'<rect class="{look}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="5"/>')

    def circle(self, x: float, y: float, radius: float, look: str = "node") -> None:
        """Draw a circle."""
        self.parts.append(f'<circle class="{look}" cx="{x:g}" cy="{y:g}" r="{radius:g}"/>')

    def line(self, points: Sequence[tuple[float, float]], look: str = "line", width: float | None = None) -> None:
        """Draw a line through points."""
        thick = "" if width is None else f' stroke-width="{width:g}"'
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        self.parts.append(f'<polyline class="{look}" points="{path}"{thick}/>')

    def arrow(self, points: Sequence[tuple[float, float]]) -> None:
        """Draw a line through points, with a head at its end; the last part is horizontal or vertical."""
        (before_x, before_y), (x, y) = points[-2:]
        dx, dy = (x > before_x) - (x < before_x), (y > before_y) - (y < before_y)
        if dx and dy:
            raise ValueError(f"The last part of an arrow must be horizontal or vertical. Received: {points[-2:]}.")
        self.line([*points[:-1], (x - 4 * dx, y - 4 * dy)])
        head = [(x, y), (x - 6 * dx + 3.5 * dy, y - 6 * dy + 3.5 * dx), (x - 6 * dx - 3.5 * dy, y - 6 * dy - 3.5 * dx)]
        path = " ".join(f"{a:g},{b:g}" for a, b in head)
        self.parts.append(f'<polygon class="head" points="{path}"/>')

    def text(self, x: float, y: float, text: str, look: str = "", room: float = WIDTH, anchor: str = "middle") -> None:
        """Write a line of text; `x_{ij}` gets a subscript.

        Args:
            x: Its middle, or its start or end, as `anchor` says.
            y: Its base line.
            text: The text.
            look: `""`, `"bold"` or `"soft"`.
            room: The width that it must not exceed.
            anchor: `"start"`, `"middle"` or `"end"`.

        Raises:
            ValueError: If the text is wider than its room.
        """
        lowered = sum(map(len, re.findall(r"_\{(.*?)\}", text)))
        letters = len(re.sub(r"_\{.*?\}", "", text)) + 0.75 * lowered
        if (width := letters * LETTERS[look] * SIZES[look]) > room:
            raise ValueError(f"The text {text!r} takes {width:.0f} pixels, but has {room:.0f}. Shorten it.")
        forms = ('<tspan dy="-3">{}</tspan>', '<tspan dy="3" font-size="9">{}</tspan>')
        parts = [
            escape(part) if number == 0 else forms[number % 2].format(escape(part)) if part else ""
            for number, part in enumerate(re.split(r"_\{(.*?)\}", text))
        ]
        kind = f' class="{look}"' if look else ""
        self.parts.append(f'<text{kind} x="{x:g}" y="{y:g}" text-anchor="{anchor}">{"".join(parts)}</text>')

    def svg(self, height: float) -> str:
        """Return the drawing as an SVG file."""
        lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" '
            f'height="{height:g}" role="img">',
            f"<title>{escape(self.title)}</title>",
            f"<style>{STYLE}\n</style>",
            f'<rect class="ground" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1:g}" rx="8"/>',
            *self.parts,
            "</svg>",
        ]
        return "\n".join(lines) + "\n"
