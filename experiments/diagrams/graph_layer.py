"""One layer of GraphFM, step by step, on a small graph whose numbers the layer itself computed."""

from __future__ import annotations

import math

import numpy as np

from ctrzoo.layers import GraphInteraction, ReferenceGraphInteraction

from .svg import Drawing

FIELDS = ("user", "movie", "age", "genres", "hour")
DIM, UNITS, HEADS, KEPT = 4, 8, 2, 3
LAYERS = {"paper": GraphInteraction, "reference": ReferenceGraphInteraction}
FIELD = 1  # the field whose neighborhood is followed, i in the formulas
# What each step computes in each formulation, and the weights that it uses.
STEPS = {
    "edges": {"": "p_{ij} = sigmoid(w · relu(W_{1} (x_{i} * x_{j}) + b_{1}) + b_{2})"},
    "selection": {"": "field i keeps the {kept} largest of its {fields} p_{ij}"},
    "attention": {
        "paper": "α_{ij} = softmax over the kept j of leaky(a · (x_{i} * x_{j}))",
        "reference": "α_{ij} = softmax over all j of p_{ij} relu(a · (x_{i} * x_{j}) + c)",
    },
    "product": {
        "paper": "message of j: α_{ij} p_{ij} (x_{i} * x_{j})",
        "reference": "message of j: α_{ij} (x_{i} * x_{j})",
    },
    "aggregation": {
        "paper": "y_{i} = relu(W · sum of the messages), for each head",
        "reference": "y_{i} = norm(relu(W_{i} · sum + relu(R_{i} x_{i} + r_{i})))",
    },
}
WEIGHTS = {
    "edges": ("selector_hidden_kernel", "selector_hidden_bias", "selector_kernel", "selector_bias"),
    "selection": (),
    "attention": ("attention_kernel", "attention_bias"),
    "product": (),
    "aggregation": ("kernel", "residual_kernel", "residual_bias", "scale", "shift"),
}
TITLES = ("Edges", "Selection", "Attention", "Product with the neighbor", "Aggregation")
TOP, HEIGHT, CENTER, RADIUS = 78, 190, (100, 122), 52


def graph_layer_diagram(formulation: str) -> str:
    """Return a diagram of a GraphFM layer as SVG.

    Args:
        formulation: `"paper"` or `"reference"`.
    """
    layer, attention, edges, states = computed(formulation)
    drawing = Drawing(f"{type(layer).__name__}: {layer.count_params():,} weights, step by step")
    drawing.text(200, 24, type(layer).__name__, "bold")
    drawing.text(200, 43, f"units={UNITS}, num_heads={HEADS}, num_neighbors={KEPT}")
    shapes = f"x: {len(FIELDS)} × {DIM} → y: {' × '.join(map(str, states.shape))}; {layer.count_params():,} weights"
    drawing.text(200, 62, shapes, "soft")
    counts = weights_of_steps(layer)
    for number, (name, title) in enumerate(zip(STEPS, TITLES, strict=True)):
        top = TOP + number * HEIGHT
        drawing.line([(12, top), (388, top)], "faint")
        drawing.text(14, top + 20, f"{number + 1}. {title}", "bold", 240, "start")
        count = f"{counts[name]:,} weights" if counts[name] else "no weights"
        drawing.text(386, top + 20, count, "soft", 120, "end")
        formula = STEPS[name].get(formulation, STEPS[name].get("", ""))
        formula = formula.replace("{kept}", str(KEPT)).replace("{fields}", str(len(FIELDS)))
        drawing.text(14, top + 40, formula, "", 374, "start")
        _step(drawing, name, top, attention, edges, formulation)
    return drawing.svg(TOP + len(STEPS) * HEIGHT)


def computed(formulation: str) -> tuple:
    """Return a built layer with fixed weights, and its attention, edge weights and states of one row."""
    random = np.random.default_rng(5)
    layer = LAYERS[formulation](UNITS, num_heads=HEADS, num_neighbors=KEPT, return_explanations=True)
    inputs = random.normal(size=(1, len(FIELDS), DIM)).astype("float32")
    layer.build(inputs.shape)
    layer.set_weights([random.normal(size=weight.shape) for weight in layer.weights])
    states, attention, edges = (np.asarray(output)[0] for output in layer(inputs))
    return layer, attention, edges, states


def weights_of_steps(layer: GraphInteraction | ReferenceGraphInteraction) -> dict[str, int]:
    """Return the number of a layer's weights that each step uses.

    Raises:
        ValueError: If a weight belongs to no step.
    """
    sizes = {weight.name: math.prod(weight.shape) for weight in layer.weights}
    known = {name for names in WEIGHTS.values() for name in names}
    if set(sizes) - known:
        raise ValueError(f"No step of the diagram names {', '.join(sorted(set(sizes) - known))}. Add them to WEIGHTS.")
    return {step: sum(sizes.get(name, 0) for name in names) for step, names in WEIGHTS.items()}


def _place(field, top):
    angle = 2 * math.pi * field / len(FIELDS) - math.pi / 2
    return CENTER[0] + RADIUS * math.cos(angle), top + CENTER[1] + RADIUS * math.sin(angle)


def _step(drawing, name, top, attention, edges, formulation):
    """Draw the graph of a step at the left, and what it says about field i at the right."""
    kept = edges[FIELD] > 0
    pairs = [(i, j) for i in range(len(FIELDS)) for j in range(i)]
    for i, j in pairs:
        ends = [_place(i, top), _place(j, top)]
        if name == "edges":
            drawing.line(ends, "line")
        elif FIELD in (i, j):
            other = j if i == FIELD else i
            if not kept[other]:
                drawing.line(ends, "faint")
            else:
                share = {"selection": edges[FIELD, other]}.get(name, attention[:, FIELD, other].mean())
                drawing.line(ends, "strong", round(1 + 5 * float(share), 1))
    if name != "edges" and kept[FIELD]:  # a field is a neighbor of its own
        x, y = _place(FIELD, top)
        drawing.circle(x + 16, y - 12, 10, "strong")
    for field in range(len(FIELDS)):
        x, y = _place(field, top)
        drawing.circle(x, y, 15, "chosen" if field == FIELD and name != "edges" else "node")
        drawing.text(x, y + 4, f"x_{{{field + 1}}}")
    _table(drawing, name, top, attention, edges, kept, formulation)


def _table(drawing, name, top, attention, edges, kept, formulation):
    left, i = 204, FIELD + 1
    lines = []
    order = np.argsort(-edges[FIELD], kind="stable")
    if name == "edges":
        lines = ["x_{i}: the state of a field"]
        lines += ["x_{i} * x_{j}: product by entry", "an edge for each pair,", "and from a field to itself"]
    elif name == "selection":
        for j in order:
            found = f"p_{{{i}{j + 1}}} = {edges[FIELD, j]:.2f}" if kept[j] else f"p_{{{i}{j + 1}}}: left out, 0"
            lines.append(found)
    elif name == "attention":
        for j in order[: KEPT if formulation == "paper" else None]:
            heads = " and ".join(f"{attention[head, FIELD, j]:.2f}" for head in range(HEADS))
            lines.append(f"α_{{{i}{j + 1}}} = {heads}")
        lines.append(f"one for each of the {HEADS} heads")
    elif name == "product":
        lines = [f"x_{{{i}}} * x_{{{j + 1}}}" for j in order[:KEPT]]
        lines += ["the entries in which", "both fields are strong"]
        if formulation == "reference":
            lines += ["(others count a little too)"]
    else:
        lines = [f"y_{{{i}}} has {UNITS} numbers:", f"{UNITS // HEADS} from each head, joined"]
        lines += ["R x: the residual", "norm: mean 0, variance 1"] if formulation == "reference" else []
        lines += ["the next layer starts from y"]
    for number, line in enumerate(lines):
        drawing.text(left, top + 68 + 18 * number, line, "soft", 182, "start")
