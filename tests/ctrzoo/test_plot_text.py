"""Names of fields as labels of pictures."""

from matplotlib.figure import Figure

from ctrzoo.plot_text import plain


def test_dollar_signs_open_no_mathematics():
    assert plain(["a", "$x$", "", r"\$"]) == ["a", r"\$x\$", "", r"\\$"]


def test_a_name_that_would_be_wrong_mathematics_is_drawn():
    figure = Figure()
    figure.subplots().set_title(plain([r"$\nothing{$"])[0])
    figure.canvas.draw()
