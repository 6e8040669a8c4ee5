"""Options of models that would have no effect are refused, because who sets them expects one.

An option counts as set if it differs from its default. Saved models load with whatever they were saved with.
"""

from __future__ import annotations

import contextlib
import contextvars
import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_ALLOWED = contextvars.ContextVar("idle_options_are_allowed", default=False)


@contextlib.contextmanager
def idle_allowed() -> Iterator[None]:
    """Allow options without effect within this context, such as those of models saved by an earlier version."""
    token = _ALLOWED.set(True)
    try:
        yield
    finally:
        _ALLOWED.reset(token)


def refuse_idle(kind: type, options: Mapping[str, Any], names: Sequence[str], because: str, mend: str) -> None:
    """Refuse options that have no effect.

    Args:
        kind: The class, whose `__init__` has the defaults.
        options: The options by name; `locals()` at the start of `__init__` will do.
        names: Those that have no effect.
        because: Why, such as `"without attention"`.
        mend: What gives them an effect, such as `"set gru='augru'"`.

    Raises:
        ValueError: If one of them differs from its default.

    >>> class Model:
    ...     def __init__(self, units=(), dropout=0.0): ...
    >>> refuse_idle(Model, {"dropout": 0.0}, ["dropout"], "without hidden layers", "set `units`")
    >>> refuse_idle(Model, {"dropout": 0.5}, ["dropout"], "without hidden layers", "set `units`")
    Traceback (most recent call last):
    ValueError: Model: `dropout` has no effect without hidden layers. Received: 0.5. Remove it, or set `units`.
    """
    if _ALLOWED.get():
        return
    parameters = inspect.signature(kind.__init__).parameters
    for name in names:
        if _plain(options[name]) != _plain(parameters[name].default):
            raise ValueError(
                f"{kind.__name__}: `{name}` has no effect {because}. Received: {options[name]!r}. Remove it, or {mend}."
            )


def refuse_idle_hidden(
    kind: type,
    options: Mapping[str, Any],
    prefix: str = "deep",
    names: Sequence[str] = ("dropout", "batch_norm", "batch_norm_momentum", "activation", "l2"),
    uses_momentum: bool = False,
) -> None:
    """Refuse options of hidden layers without hidden layers, and of batch normalization without it.

    Args:
        kind: The class.
        options: Its options.
        prefix: What the names of these options begin with, as `deep` in `deep_units` and `deep_dropout`.
        names: The rest of the names of options that need hidden layers, of which the class has some.
        uses_momentum: Whether something else has the momentum, such as another part's Dice.

    Raises:
        ValueError: If such an option differs from its default.
    """
    parameters = inspect.signature(kind.__init__).parameters
    momentum, units = f"{prefix}_batch_norm_momentum", f"{prefix}_units"
    named = [f"{prefix}_{name}" for name in names if f"{prefix}_{name}" in parameters]
    if not tuple(options[units]):
        named = [name for name in named if not (name == momentum and uses_momentum)]
        refuse_idle(kind, options, named, "without hidden layers", f"name their widths in `{units}`")
    is_dice = options.get(f"{prefix}_activation") == "dice"
    if momentum in parameters and not (options[f"{prefix}_batch_norm"] or is_dice or uses_momentum):
        refuse_idle(
            kind, options, [momentum], "without batch normalization", f"set {momentum.removesuffix('_momentum')}=True"
        )


def _plain(value):
    return list(value) if isinstance(value, (tuple, list)) else value
