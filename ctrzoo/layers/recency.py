"""Events by recency: the place of an event counted from the newest, and numbers of events in that order."""

from keras import ops

from ctrzoo.types import Tensor


def places(mask: Tensor) -> Tensor:
    """Return the place of each event counted from the newest, which has 0; absent slots have 0 too.

    Args:
        mask: Booleans `(batch, slots)`, which slots have an event, the oldest first; absent ones come last.

    Returns:
        int32 `(batch, slots)`.

    >>> places(np.array([[True, True, True, False]])).numpy().tolist()
    [[2, 1, 0, 0]]
    """
    events = ops.cast(mask, "int32")
    return ops.maximum(ops.sum(events, axis=1, keepdims=True) - 1 - ops.arange(mask.shape[1], dtype="int32"), 0)


def by_recency(numbers: Tensor, mask: Tensor) -> Tensor:
    """Reorder the numbers of events so that the newest comes first, with 0 where there is no event.

    Args:
        numbers: `(batch, slots)`.
        mask: As in `places`.

    >>> by_recency(np.array([[0.5, 0.2, 0.3, 9.0]]), np.array([[True, True, True, False]])).numpy().tolist()
    [[0.3, 0.2, 0.5, 0.0]]
    """
    # The newest is as far from the start as the oldest is from the newest, so the places are their own inverse.
    newest_first = ops.take_along_axis(numbers, places(mask), axis=1)
    return newest_first * ops.cast(mask, numbers.dtype)
