"""What a step costs each device, by strategy: bytes held, arithmetic, memory traffic, bytes sent.

With n devices, T bytes of tables, W bytes of other weights, m moments per weight, R bytes of the rows that a batch
looks up (repeated ones included), I bytes of its ids, and L bytes of the ids counted for each table, a device holds and
sends:

| strategy | held | sent per step |
|---|---|---|
| `mirrored` | (1 + m)(T + W) | (n-1)/n (R + L + 2W) |
| `mirrored_dense` | (1 + m)(T + W) | (n-1)/n 2(T + W) |
| `divided_tables` | (1 + m)(T/n + W) | (n-1)/n 2R |
| `divided_batch` | (1 + m)(T/n + W) | (n-1)/n (2R + 2I + 2W) |
| `owner_updates` | (1 + m)(T/n + W) | (n-1)/n ((2R + I)/n + 2W) |

An all-reduce of x bytes sends 2x(n-1)/n from each device, an all-gather whose result has x bytes sends x(n-1)/n (rings,
which send the fewest bytes), and an exchange of x bytes of each device with all others x(n-1)/n.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from .workload import NUMBER_BYTES, Workload

COPIES = 10


@dataclasses.dataclass(frozen=True)
class Step:
    """The cost of a step for one device.

    Attributes:
        held_bytes: Weights and moments that it holds.
        buffer_bytes: What it holds besides during the step: of looked-up rows that it handles about ten copies, as
            XLA's compiled steps take on a CPU.
        flops: Floating point operations.
        moved_bytes: Bytes of rows that it reads from or writes to its memory.
        ids: Ids among which it finds repeated ones, to add up their gradients.
        sent_bytes: Bytes that it sends to other devices.
        exchanges: How often it waits for all others.
    """

    held_bytes: float
    buffer_bytes: float
    flops: float
    moved_bytes: float
    ids: float
    sent_bytes: float
    exchanges: int


def mirrored(workload: Workload, num_devices: int) -> Step:
    """All weights on each device, the batch divided; the gradients of looked-up rows are gathered on all devices.

    This is `--strategy=mirrored`, and `multi_worker` on several hosts.
    """
    rows, ids, share = workload.looked_up_bytes, workload.ids, 1 / num_devices
    return Step(
        held_bytes=(1 + workload.moments) * (workload.table_bytes + workload.dense_bytes),
        buffer_bytes=COPIES * rows,
        flops=workload.flops * workload.batch_size * share,
        moved_bytes=_read_bytes(rows * share) + _updated_bytes(rows, workload.moments),
        ids=ids,
        sent_bytes=_gather(rows + NUMBER_BYTES * ids, num_devices) + _reduce(workload.dense_bytes, num_devices),
        exchanges=2,
    )


def mirrored_dense(workload: Workload, num_devices: int) -> Step:
    """Like `mirrored`, with gradients of whole tables, as a penalty on a table makes them."""
    numbers, share = workload.table_bytes, 1 / num_devices
    return Step(
        held_bytes=(1 + workload.moments) * (numbers + workload.dense_bytes),
        buffer_bytes=2 * numbers + COPIES * workload.looked_up_bytes * share,
        flops=workload.flops * workload.batch_size * share,
        moved_bytes=_read_bytes(workload.looked_up_bytes * share) + _updated_bytes(numbers, workload.moments),
        ids=0,
        sent_bytes=_reduce(numbers + workload.dense_bytes, num_devices),
        exchanges=1,
    )


def divided_tables(workload: Workload, num_devices: int) -> Step:
    """The rows of tables divided, the batch on each device, which adds up what each of them finds of the rows.

    This is a step of `--strategy=model_parallel` with a batch that cannot be divided. Each device updates its own rows.
    """
    rows, moments, share = workload.looked_up_bytes, workload.moments, 1 / num_devices
    return Step(
        held_bytes=(1 + moments) * (workload.table_bytes * share + workload.dense_bytes),
        buffer_bytes=COPIES * rows,
        flops=workload.flops * workload.batch_size,
        moved_bytes=_read_bytes(rows) + _updated_bytes(rows, moments),
        ids=workload.ids,
        sent_bytes=_reduce(rows, num_devices),
        exchanges=1,
    )


def divided_batch(workload: Workload, num_devices: int) -> Step:
    """The rows of tables and those of the batch divided: `--strategy=model_parallel` on the JAX backend.

    All devices gather the ids, look for their own rows among them, and send each device the rows of its part of the
    batch. Then all gather the gradients with their ids, find repeated ones, and update their own rows.
    """
    rows, ids, moments = workload.looked_up_bytes, workload.id_bytes, workload.moments
    return Step(
        held_bytes=(1 + moments) * (workload.table_bytes / num_devices + workload.dense_bytes),
        buffer_bytes=COPIES * rows,
        flops=workload.flops * workload.batch_size / num_devices,
        moved_bytes=_read_bytes(rows) + _updated_bytes(rows, moments),
        ids=workload.ids,
        sent_bytes=_gather(2 * rows + 2 * ids, num_devices) + _reduce(workload.dense_bytes, num_devices),
        exchanges=5,
    )


def owner_updates(workload: Workload, num_devices: int) -> Step:
    """The rows of tables and those of the batch divided, and nothing exchanged that is not needed. Not built.

    Each device asks the owners of its rows for them and sends them the gradients; only owners read moments. Lookups
    are assumed to be spread evenly over the owners.
    """
    rows, share = workload.looked_up_bytes, 1 / num_devices
    exchanged = (2 * rows + workload.id_bytes) * share
    return Step(
        held_bytes=(1 + workload.moments) * (workload.table_bytes * share + workload.dense_bytes),
        buffer_bytes=COPIES * rows * share,
        flops=workload.flops * workload.batch_size * share,
        moved_bytes=_read_bytes(rows * share) + _updated_bytes(rows * share, workload.moments),
        ids=workload.ids * share,
        sent_bytes=_gather(exchanged, num_devices) + _reduce(workload.dense_bytes, num_devices),
        exchanges=4,
    )


STRATEGIES: dict[str, Callable[[Workload, int], Step]] = {
    each.__name__: each for each in (mirrored, mirrored_dense, divided_tables, divided_batch, owner_updates)
}


def _reduce(size: float, num_devices: int) -> float:
    """Return the bytes that a device sends in an all-reduce of so many bytes."""
    return 2 * _gather(size, num_devices)


def _gather(size: float, num_devices: int) -> float:
    """Return the bytes that a device sends in an all-gather whose result has so many bytes, or an exchange of each."""
    return size * (num_devices - 1) / num_devices


def _read_bytes(rows: float) -> float:
    """Return the traffic of looked-up rows and their gradients: each is read and written once."""
    return 4 * rows


def _updated_bytes(rows: float, moments: int) -> float:
    """Return the traffic of updating rows: gradients, weights and moments are read and written."""
    return 2 * (2 + moments) * rows
