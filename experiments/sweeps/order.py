"""Test whether our results confirm the order of published results beyond the noise of seeds."""

import itertools
from collections.abc import Sequence

from ctrzoo.types import Config

from .results import name_of
from .significance import SIGNIFICANCE, p_value

COLUMNS = ("data set", "printed higher", "printed lower", "printed difference", "our difference", "p", "ours")
_VERDICTS = ("as printed", "within noise", "the other way")


def orders(compared: Sequence[Config]) -> list[Config]:
    """Compare each pair of rows of one published table with ours.

    Args:
        compared: The rows of `comparison.compared_rows`.

    Returns:
        A dictionary for each pair of rows that have at least two finished seeds each and different published AUCs: our
        difference in mean test AUC (`higher` is the row published as higher), `p` of Welch's t-test, and `ours`: "as
        printed", "within noise" (p of 0.05 or more) or "the other way".
    """
    rows = [row for row in compared if row["published_auc"] is not None and row["auc_deviation"] is not None]
    return [
        _order(*sorted(pair, key=lambda row: -row["published_auc"]))
        for pair in itertools.combinations(rows, 2)
        if len({(row["dataset"], row["source"]) for row in pair}) == 1
        and pair[0]["published_auc"] != pair[1]["published_auc"]
    ]


def order_lines(pairs: Sequence[Config]) -> list[str]:
    """Return lines of Markdown: the number of pairs that are as printed, and a table of the others."""
    if not pairs:
        return []
    found = {verdict: sum(pair["ours"] == verdict for pair in pairs) for verdict in _VERDICTS}
    counts = ", ".join(f"{count} {verdict}" for verdict, count in found.items())
    lines = [
        "## Does the printed order hold?",
        "",
        f"Of {len(pairs)} pairs of rows: {counts}. Differences beyond noise have p < {SIGNIFICANCE} in Welch's t-test "
        "over seeds. Each pair is tested by itself, so of 20 equal pairs, one is expected to show a difference.",
    ]
    deviating = [pair for pair in pairs if pair["ours"] != "as printed"]
    if deviating:
        lines += ["", f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    for pair in sorted(deviating, key=lambda pair: (pair["dataset"], pair["ours"], pair["auc_difference"])):
        differences = [f"{pair[key]:+.4f}" for key in ("published_difference", "auc_difference")]
        cells = [pair["dataset"], pair["higher"], pair["lower"], *differences, f"{pair['p']:.2g}", pair["ours"]]
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def _order(higher, lower):
    difference = higher["auc"] - lower["auc"]
    p = p_value(*((row["auc"], row["auc_deviation"], row["seeds"]) for row in (higher, lower)))
    assert p is not None, "both rows have a spread"
    return {
        "dataset": higher["dataset"],
        "higher": name_of(higher),
        "lower": name_of(lower),
        "published_difference": higher["published_auc"] - lower["published_auc"],
        "auc_difference": difference,
        "p": p,
        "ours": _VERDICTS[1] if p >= SIGNIFICANCE else _VERDICTS[0] if difference > 0 else _VERDICTS[2],
    }
