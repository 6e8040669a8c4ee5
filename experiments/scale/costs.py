"""From the cost of a step to its time: prices, fitted to measured points or taken from the data of a device."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import statistics
from collections.abc import Sequence

import numpy as np
from scipy.optimize import nnls

from .measuring import FIELD_SIZE, NUM_FIELDS, RESULTS, Point
from .strategies import STRATEGIES, Step
from .workload import Workload, deepfm

POINTS = RESULTS / "points.json"


@dataclasses.dataclass(frozen=True)
class Prices:
    """Seconds that each part of a step takes; parts do not overlap.

    Attributes:
        overhead: Per step and device, whatever it computes.
        flop: Per floating point operation.
        moved_byte: Per byte read from or written to memory.
        id: Per id.
        sent_byte: Per byte sent.
        exchange: Per exchange.
    """

    overhead: float
    flop: float
    moved_byte: float
    id: float
    sent_byte: float
    exchange: float = 0.0

    def parts(self, step: Step) -> dict[str, float]:
        """Return the seconds of the parts of a step on one device: `computing`, `memory` and `exchange`."""
        return {
            "computing": self.overhead + self.flop * step.flops,
            "memory": self.moved_byte * step.moved_bytes + self.id * step.ids,
            "exchange": self.sent_byte * step.sent_bytes + self.exchange * step.exchanges,
        }

    def seconds(self, step: Step) -> float:
        """Return the seconds of a step on one device.

        >>> step = Step(0, 0, flops=4, moved_bytes=9, ids=9, sent_bytes=8, exchanges=1)
        >>> Prices(overhead=1, flop=0.5, moved_byte=0, id=0, sent_byte=0.25).seconds(step)
        5.0
        """
        return sum(self.parts(step).values())


@dataclasses.dataclass(frozen=True)
class Device:
    """A device, as its maker describes it.

    Attributes:
        memory: Bytes of its memory.
        flops: Floating point operations per second that it reaches.
        bandwidth: Bytes per second that it reads from or writes to its memory.
        near: Bytes per second that it sends to devices of the same host.
        far: Bytes per second that it sends to devices of other hosts.
        per_host: Devices of a host.
        overhead: Seconds per step, whatever is computed.
        latency: Seconds until the first byte of an exchange arrives, per doubling of the devices.
    """

    memory: float
    flops: float
    bandwidth: float
    near: float
    far: float
    per_host: int
    overhead: float
    latency: float

    def prices(self, num_devices: int) -> Prices:
        """Return the prices of a step on so many devices.

        Repeated ids are found by sorting: four passes of 8 bits read and write an id and its place, 64 bytes.
        """
        link = self.near if num_devices <= self.per_host else self.far
        return Prices(
            overhead=self.overhead,
            flop=1 / self.flops,
            moved_byte=1 / self.bandwidth,
            id=64 / self.bandwidth,
            sent_byte=1 / link,
            exchange=self.latency * np.log2(num_devices).item(),
        )


# NVIDIA's A100 with 80 GB: half of its 19.5 TFLOP/s in float32 and half of its memory's 2,039 GB/s, NVLink with 300
# GB/s in each direction within 8 devices, and 200 Gbit/s per device between hosts. The overhead is that of a whole
# step of DeepFM with 1,024 rows on an H200 (267,671 rows/s), which hardly computes. The latency is an assumption.
A100 = Device(
    memory=80e9,
    flops=0.5 * 19.5e12,
    bandwidth=0.5 * 2039e9,
    near=300e9,
    far=25e9,
    per_host=8,
    overhead=1024 / 267_671,
    latency=20e-6,
)


def workload_of_point(point: Point) -> Workload:
    """Return the workload of a measured point."""
    units = (point.hidden, point.hidden)
    return deepfm(NUM_FIELDS * FIELD_SIZE + 1, NUM_FIELDS, point.width, units, point.batch_size)


def read_points(path: pathlib.Path = POINTS) -> dict[Point, float]:
    """Return the measured points and their processor seconds, the median over rounds."""
    found = json.loads(path.read_text(encoding="utf-8"))
    names = [field.name for field in dataclasses.fields(Point)]
    return {Point(**{name: each[name] for name in names}): statistics.median(each["seconds"]) for each in found}


def predicted(point: Point, prices: Prices) -> float:
    """Return the processor seconds of a step of a point, over all devices together."""
    return point.num_devices * prices.seconds(STRATEGIES[point.strategy](workload_of_point(point), point.num_devices))


def fitted(points: Sequence[Point], seconds: Sequence[float]) -> Prices:
    """Return the prices, none below 0, with the least squares of relative errors; exchanges cost only their bytes.

    Args:
        points: Measured points of one backend.
        seconds: Their processor seconds, over all devices together.
    """
    rows = []
    for point in points:
        step = STRATEGIES[point.strategy](workload_of_point(point), point.num_devices)
        rows.append([1, step.flops, step.moved_bytes, step.ids, step.sent_bytes])
        rows[-1] = [point.num_devices * value for value in rows[-1]]
    matrix = np.array(rows) / np.array(seconds)[:, np.newaxis]
    scales = matrix.max(axis=0)
    found, _ = nnls(matrix / scales, np.ones(len(rows)))
    return Prices(*(found / scales).tolist())
