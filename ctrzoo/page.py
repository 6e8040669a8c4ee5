"""Pages for people: one HTML file each, which needs no network, and fits phones and dark screens."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Mapping, Sequence

STYLE = """
:root { color-scheme: light dark; --text: #222; --ground: #fff; --line: #ddd; --head: #f4f4f4; --link: #1a5fb4;
  --own: #3b78c2; --rare: #d9822b; --missing: #b9b9b9; --warning: #fff3dc; }
@media (prefers-color-scheme: dark) { :root { --text: #e3e3e3; --ground: #17191c; --line: #3c4046; --head: #24272c;
  --link: #8ab8f5; --own: #6ba3e8; --rare: #e39a4f; --missing: #6a6e74; --warning: #3d3117; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--ground); max-width: 1180px;
  margin: 2em auto; padding: 0 1.2em; overflow-wrap: break-word; }
h1 { font-size: 1.6em; } h2 { margin-top: 2em; border-bottom: 1px solid var(--line); } h3 { margin-top: 1.6em; }
img, svg { max-width: 100%; height: auto; } p, .warnings { max-width: 50em; } a { color: var(--link); }
table { border-collapse: collapse; font-size: 0.9em; margin: 1em 0; display: block; overflow-x: auto; }
th, td { padding: 0.25em 0.8em; border-bottom: 1px solid var(--line); text-align: right; }
th:first-child, td:first-child { text-align: left; } th { background: var(--head); vertical-align: bottom; }
.warnings { background: var(--warning); padding: 0.8em 1.2em 0.8em 2.2em; } svg text { fill: currentColor; }
.own { fill: var(--own); color: var(--own); } .rare { fill: var(--rare); color: var(--rare); }
.missing { fill: var(--missing); color: var(--missing); }
"""


def page_of(title: str, parts: Iterable[str]) -> str:
    """Return a page.

    Args:
        title: Its title, which is also its heading.
        parts: What follows the heading, as HTML.

    >>> page_of("A & B", ["<p>text</p>"]).splitlines()[-3:]
    ['<h1>A &amp; B</h1>', '<p>text</p>', '</body></html>']
    """
    head = (
        f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{html.escape(title)}</title>'
    )
    body = "\n".join([f"<h1>{html.escape(title)}</h1>", *parts])
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head>{head}<style>{STYLE}</style></head>\n<body>\n{body}\n</body></html>\n'
    )


def paragraphs(sentences: Iterable[str]) -> list[str]:
    """Return texts as paragraphs.

    >>> paragraphs(["1 < 2"])
    ['<p>1 &lt; 2</p>']
    """
    return [f"<p>{html.escape(sentence)}</p>" for sentence in sentences]


def table_of(rows: Sequence[Mapping[str, str]]) -> str:
    """Return a table of texts.

    Args:
        rows: At least one; all have the same keys, which become the header.

    >>> table_of([{"a": "<b>"}]).splitlines()[1]
    '<tbody><tr><td>&lt;b&gt;</td></tr>'
    """
    return table_of_cells(list(rows[0]), [[html.escape(cell) for cell in row.values()] for row in rows])


def table_of_cells(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table whose cells are already HTML.

    Args:
        names: The header, as text.
        rows: The cells of each row, as HTML.
    """
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>\n" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table>"


def image_of(picture: bytes, words: str) -> str:
    """Return a picture as a part of the page.

    Args:
        picture: The content of a PNG file.
        words: What it shows, for those who cannot see it.
    """
    data = base64.b64encode(picture).decode("ascii")
    return f'<div><img alt="{html.escape(words)}" src="data:image/png;base64,{data}"></div>'
