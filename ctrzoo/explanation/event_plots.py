"""The picture of a history: weights and measured effects by recency."""

from __future__ import annotations

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from ctrzoo.explanation.histories import HistoryAnalysis
from ctrzoo.plot_text import plain
from ctrzoo.plots import STYLE


@matplotlib.rc_context(STYLE)
def events_figure(history: HistoryAnalysis, lost: str, logit: str) -> Figure:
    """Draw the mean weight of events over recency, if there are weights, and what leaving an event out changes.

    Args:
        history: What was found.
        lost: What is lost is called, such as `"AUC lost"`.
        logit: What contributions add up to.
    """
    importance, weights = history.importance, history.weights
    places = np.arange(1, len(importance.counts) + 1)
    panels = [(f"{logit} change", importance.event_logits), (lost, importance.events)]
    figure = Figure(figsize=(4.4 * (len(panels) + (weights is not None)), 3.6), layout="constrained")
    axes = list(figure.subplots(1, len(panels) + (weights is not None), squeeze=False)[0])
    if weights is not None:
        of_weights = axes.pop(0)
        of_weights.plot(places, weights.mean, "o-", markersize=3, color="black", label="all events")
        for number, (column, (same, others)) in enumerate(weights.alike.items()):
            color, (name,) = f"C{number}", plain([column])
            of_weights.plot(places, same, "o-", markersize=3, color=color, label=f"the candidate's {name}")
            of_weights.plot(places, others, "o--", markersize=3, color=color, label=f"another {name}")
        of_weights.set(ylabel="mean size of the weight", ylim=(0, None))
        of_weights.legend(fontsize=8, frameon=False)
    for panel, (label, numbers) in zip(axes, panels, strict=True):
        panel.plot(places, numbers, "o-", markersize=3, color="tab:red")
        panel.axhline(0, color="black", linewidth=0.8)
        panel.set(ylabel=f"{label} without the event")
    for panel in figure.axes:
        panel.set(xlabel="place of the event, 1 is the newest")
        panel.grid(alpha=0.3)
    return figure
