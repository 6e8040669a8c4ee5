"""The picture of a history draws the numbers of its table."""

import numpy as np

from ctrzoo.explanation.event_plots import events_figure
from ctrzoo.explanation.histories import analyse_histories
from tests.ctrzoo.explanation.planted_history import Planted, planted_history


def test_the_lines_are_those_of_the_table():
    model, features, labels = planted_history()
    (history,) = analyse_histories(model, features, labels, repeats=1)
    weights, logits, lost = events_figure(history, "AUC lost", "logit").axes
    table = history.table()
    names = {"all events": "weight", "the candidate's seen_kind": "weight_same_seen_kind"}
    lines = {line.get_label(): line.get_ydata() for line in weights.lines}
    assert len(lines) == 5
    for label, key in names.items():
        np.testing.assert_allclose(lines[label], [row[key] for row in table])
    np.testing.assert_allclose(logits.lines[0].get_ydata(), [row["logit_change"] for row in table])
    np.testing.assert_allclose(lost.lines[0].get_ydata(), [row["auc_lost"] for row in table])
    (silent,) = analyse_histories(Planted(explained=None), features, labels, repeats=1)
    assert len(events_figure(silent, "AUC lost", "logit").axes) == 2
