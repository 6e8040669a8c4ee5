"""What scale costs: `python -m ctrzoo.experiments.scale` writes the tables and the picture of a page anew.

The page is `docs/understand/scale.md`. With `--strategy`, the command prints the cost of one step instead:

    python -m ctrzoo.experiments.scale --strategy=divided_tables --num_devices=8 --num_ids=1000000 --width=32
"""

import dataclasses
import pathlib

from absl import app, flags

from ctrzoo.files import write_text

from ..claims.markdown import table_lines
from .costs import A100, read_points
from .page import PAGE, PICTURE, prices_of, updated
from .plot import draw
from .strategies import STRATEGIES
from .workload import deepfm

FLAGS = flags.FLAGS


def main(argv: list[str]) -> None:
    """Write the page, or print a step."""
    if len(argv) > 1:
        raise app.UsageError(f"The command takes only flags. Received: {argv[1]}.")
    if FLAGS.strategy:
        print("\n".join(table_lines(step_lines())))
        return
    page = pathlib.Path(FLAGS.page)
    before = page.read_text(encoding="utf-8")
    after = updated(before)
    write_text(page, after)
    points = read_points()
    draw(points, prices_of(points), page.with_name(PICTURE.name))
    print(f"{page}: {'nothing changed' if after == before else 'tables written anew'}")


def step_lines() -> list[dict[str, str]]:
    """Return a step of DeepFM on the flags' devices."""
    units = [int(each) for each in FLAGS.units]
    found = deepfm(FLAGS.num_ids, FLAGS.num_slots, FLAGS.width, units, FLAGS.batch_size)
    found = dataclasses.replace(found, moments=FLAGS.moments)
    device = dataclasses.replace(
        A100,
        memory=1e9 * FLAGS.memory,
        flops=1e12 * FLAGS.teraflops,
        bandwidth=1e9 * FLAGS.bandwidth,
        near=1e9 * FLAGS.near,
        far=1e9 * FLAGS.far,
        per_host=FLAGS.per_host,
        overhead=1e-3 * FLAGS.overhead,
        latency=1e-6 * FLAGS.latency,
    )
    step, prices = STRATEGIES[FLAGS.strategy](found, FLAGS.num_devices), device.prices(FLAGS.num_devices)
    seconds = prices.seconds(step)
    rows = {
        "held per device": f"{step.held_bytes / 1e9:.3f} GB of {FLAGS.memory:g} GB",
        "sent per device and step": f"{step.sent_bytes / 1e6:.3f} MB",
        **{f"{name}, per step": f"{1e3 * part:.3f} ms" for name, part in prices.parts(step).items()},
        "step": f"{1e3 * seconds:.3f} ms",
        "rows per second": f"{found.batch_size / seconds:,.0f}",
    }
    return [{"what": what, "figure": figure} for what, figure in rows.items()]


def define_flags() -> None:
    """Define the flags of the command."""
    flags.DEFINE_string("page", str(PAGE), "The page to write; its picture is written next to it.")
    flags.DEFINE_enum("strategy", None, list(STRATEGIES), "Print a step of this strategy instead.")
    flags.DEFINE_integer("num_devices", 8, "Devices.", lower_bound=1)
    flags.DEFINE_integer("num_ids", 1_000_000, "Rows of the tables.", lower_bound=1)
    flags.DEFINE_integer("num_slots", 39, "Ids of a row.", lower_bound=1)
    flags.DEFINE_integer("width", 16, "Width of an embedding.", lower_bound=1)
    flags.DEFINE_list("units", ["400", "400"], "Widths of DeepFM's hidden layers, separated by commas.")
    flags.DEFINE_integer("batch_size", 65_536, "Rows of a step, over all devices.", lower_bound=1)
    flags.DEFINE_integer("moments", 2, "Numbers that the optimizer keeps per weight.", lower_bound=0)
    flags.DEFINE_float("memory", A100.memory / 1e9, "Memory of a device, in GB.", lower_bound=0)
    flags.DEFINE_float("teraflops", A100.flops / 1e12, "TFLOP/s that a device reaches.", lower_bound=1e-6)
    flags.DEFINE_float("bandwidth", A100.bandwidth / 1e9, "GB/s of a device's memory.", lower_bound=1e-6)
    flags.DEFINE_float("near", A100.near / 1e9, "GB/s that a device sends within its host.", lower_bound=1e-6)
    flags.DEFINE_float("far", A100.far / 1e9, "GB/s that a device sends to other hosts.", lower_bound=1e-6)
    flags.DEFINE_integer("per_host", A100.per_host, "Devices of a host.", lower_bound=1)
    flags.DEFINE_float("overhead", 1e3 * A100.overhead, "Milliseconds per step, whatever is computed.", lower_bound=0)
    flags.DEFINE_float("latency", 1e6 * A100.latency, "Microseconds per exchange and doubling.", lower_bound=0)


if __name__ == "__main__":
    define_flags()
    app.run(main)
