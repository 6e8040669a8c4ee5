"""Names and values as labels in pictures: the fonts that have their characters, and escapes for the others."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

from matplotlib import font_manager

# Families of fonts with many characters that matplotlib's own font lacks, on common systems.
FALLBACKS = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Noto Sans JP", "Noto Sans KR", "Source Han Sans SC"),
    *("WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Droid Sans Fallback", "Microsoft YaHei", "SimHei", "SimSun"),
    *("PingFang SC", "PingFang HK", "Hiragino Sans GB", "Hiragino Sans", "Heiti TC", "Songti SC", "Arial Unicode MS"),
    *("Yu Gothic", "MS Gothic", "Malgun Gothic", "AppleGothic", "NanumGothic", "Noto Sans Devanagari", "Nirmala UI"),
    *("Noto Sans Thai", "Leelawadee UI", "Noto Sans Bengali", "Noto Sans Tamil", "Noto Sans Symbols", "Unifont"),
)
INSTALLED = set(font_manager.get_font_names())
# Drawing settings: matplotlib takes each character from the first of these families that has it.
FONTS: dict[Any, Any] = {"font.family": ["sans-serif", *(family for family in FALLBACKS if family in INSTALLED)]}


def plain(texts: Iterable[str]) -> list[str]:
    r"""Return texts that matplotlib draws literally, without a warning, if it uses the settings `FONTS`.

    An unescaped dollar sign would start math mode. A character that no installed font has becomes its escape.

    >>> print(*plain(["price in $", "\ue000"]))
    price in \$ \ue000
    """
    return [_drawable(text).replace("$", r"\$") for text in texts]


def _drawable(text):
    if text.isascii() and text.isprintable():
        return text
    return "".join(letter if letter == "\n" or ord(letter) in _characters() else _escape(letter) for letter in text)


def _escape(letter):
    code = ord(letter)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


@functools.cache
def _characters():
    """Return the codes of all characters that the fonts have."""
    families = [font_manager.FontProperties(family=[family]) for family in FONTS["font.family"]]
    fonts = {font_manager.findfont(family) for family in families}
    return frozenset(code for font in fonts for code in font_manager.get_font(font).get_charmap())
