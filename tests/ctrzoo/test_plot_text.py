"""Names of fields as labels of pictures."""

import matplotlib
from matplotlib.figure import Figure

from ctrzoo import plot_text
from ctrzoo.plot_text import FONTS, plain


def test_dollar_signs_open_no_mathematics():
    assert plain(["a", "$x$", "", r"\$"]) == ["a", r"\$x\$", "", r"\\$"]


def test_a_name_that_would_be_wrong_mathematics_is_drawn():
    figure = Figure()
    figure.subplots().set_title(plain([r"$\nothing{$"])[0])
    figure.draw_without_rendering()


def test_characters_of_no_font_are_escaped_and_drawn_without_warnings(recwarn):
    texts = plain(["广告位置", "\U0001f600", "\ue000", "prix été", "a\tb"])
    assert texts[2:] == [r"\ue000", "prix été", r"a\u0009b"]
    with matplotlib.rc_context(FONTS):
        figure = Figure()
        figure.subplots().barh(texts, range(5))
        figure.suptitle(texts[0])
        figure.draw_without_rendering()
    assert not recwarn.list


def test_a_font_that_has_the_characters_is_used(monkeypatch):
    monkeypatch.setitem(FONTS, "font.family", ["cmr10", "DejaVu Sans"])
    plot_text._characters.cache_clear()
    assert plain(["Ж"]) == ["Ж"]  # only the second of the families has it
    monkeypatch.setitem(FONTS, "font.family", ["cmr10"])
    plot_text._characters.cache_clear()
    assert plain(["Ж"]) == [r"\u0416"]
    plot_text._characters.cache_clear()
