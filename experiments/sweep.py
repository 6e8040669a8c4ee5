"""Train many models and compare them: `ctrzoo-sweep`, or `python -m ctrzoo.experiments.sweep`.

Example: `ctrzoo-sweep --config=table2 --raw=movielens_1m=ml-1m.zip --workers=2`. The configuration is a Python file
whose `get_sweep()` returns a list with one dictionary of settings per run. `ctrzoo.experiments.sweeps.grid.grid` makes
such lists. Several processes may run the same sweep at once, also on hosts that share a disk. Rerun the command to
resume.
"""

import pathlib
from collections.abc import Sequence

from absl import flags
from rich.console import Console
from rich.live import Live

from .cli import DATA_DIR_HELP, data_dir, program_flags, run_command
from .settings import parse_assignment
from .sweeps.results import rows_of, table_of, write_results
from .tracking.store import TRACK_HELP, TRACKERS, URI_HELP, address_of, check_tracking

FLAGS = program_flags()
flags.DEFINE_string(
    "config", None, "A sweep of configs/sweeps/ by its name, or the path of a Python file.", flag_values=FLAGS
)
flags.DEFINE_string(
    "folder", None, "Folder of the results, by default runs/<config>; rerun with it to resume.", flag_values=FLAGS
)
flags.DEFINE_string("data_dir", None, f"The folder of prepared data, {DATA_DIR_HELP}", flag_values=FLAGS)
flags.DEFINE_multi_string(
    "raw", [], "dataset=path of the raw file or folder of a data set; repeatable.", flag_values=FLAGS
)
flags.DEFINE_integer(
    "workers", None, "Number of runs at a time; by default one, or one per GPU of --gpus.", flag_values=FLAGS
)
flags.DEFINE_list("gpus", [], "GPU ids, separated by commas; each run gets one GPU.", flag_values=FLAGS)
flags.DEFINE_bool("retry_failed", False, "Repeat failed runs.", flag_values=FLAGS)
flags.DEFINE_enum("track", None, TRACKERS, TRACK_HELP, flag_values=FLAGS)
flags.DEFINE_string(
    "tracking_uri", None, f"{URI_HELP} By default mlruns in the folder of the sweep.", flag_values=FLAGS
)
flags.DEFINE_multi_string("set", [], "key=value for all runs; it overrides the sweep; repeatable.", flag_values=FLAGS)


def main(argv: Sequence[str]) -> None:
    """Run the sweep that the flags describe."""
    if len(argv) > 1:
        raise ValueError(f"Unknown argument '{argv[1]}'. To name a sweep, pass --config={argv[1]}.")
    if not FLAGS.config:
        raise ValueError("--config is missing. Pass --config=table2, or the path of a Python file with get_sweep().")
    if FLAGS.workers is not None and FLAGS.workers < 1:
        raise ValueError(f"--workers must be at least 1. Received: {FLAGS.workers}.")
    check_tracking(FLAGS.track, FLAGS.tracking_uri)
    from .sweeps import outcome
    from .sweeps.plan import plan, read_ordered, read_sweep
    from .sweeps.process import TRAIN
    from .sweeps.workers import Workers

    folder = pathlib.Path(FLAGS.folder or f"runs/{pathlib.Path(FLAGS.config).stem}")
    in_order = read_ordered(FLAGS.config)
    if in_order is not None:
        _run_in_order(in_order, folder)
        return
    choices, write_report = read_sweep(FLAGS.config)
    overrides = dict(parse_assignment(text) for text in FLAGS.set)
    runs = plan(choices, folder, data_dir(FLAGS.data_dir), dict(raw_of(text) for text in FLAGS.raw), overrides)
    outcome.check_same_data(runs)
    if FLAGS.retry_failed:
        _forget_failures(runs)
    tracked = [f"--track={FLAGS.track}", f"--tracking_uri={address_of(FLAGS.tracking_uri, folder)}"]
    train = [*TRAIN, *(tracked if FLAGS.track else [])]
    console = Console(highlight=False, markup=False, soft_wrap=True)
    with Live(console=console, refresh_per_second=2) as live:
        try:
            Workers(runs, FLAGS.workers or max(1, len(FLAGS.gpus)), FLAGS.gpus, train).work(
                changed=lambda at_work: live.update(table_of(rows_of(runs), at_work)),
                told=live.console.print,
            )
        finally:  # also if the sweep is interrupted
            rows = rows_of(runs)
            live.update(table_of(rows, []))
            write_results(rows, folder)
    if write_report:
        write_report(rows, folder)
    console.print(f"\nResults are in {folder / 'results.md'}")


# Options without effect on a sweep whose runs depend on each other.
IDLE = ("data_dir", "workers", "gpus", "retry_failed", "set", "track", "tracking_uri")


def _run_in_order(run_sweep, folder):
    """Run a sweep whose runs depend on each other, in this process."""
    idle = [f"--{name}" for name in IDLE if FLAGS[name].present]
    if idle:
        raise ValueError(
            f"{' and '.join(idle)} cannot be used with --config={FLAGS.config}, whose runs depend on each other."
        )
    from ctrzoo.startup import load_keras_quietly

    load_keras_quietly()
    run_sweep(folder, dict(raw_of(text) for text in FLAGS.raw))
    print(f"Results are in {folder}")


def raw_of(text: str) -> tuple[str, str]:
    """Return data set and path of a text `dataset=path`."""
    from ctrzoo.suggest import unknown

    from .. import data_pipelines

    dataset, sign, path = text.partition("=")
    if not sign:
        raise ValueError(f"--raw needs dataset=path, such as movielens_1m=ml-1m.zip. Received: {text!r}.")
    if dataset not in data_pipelines.DATASETS:
        raise ValueError(f"--raw: {unknown('data set', dataset, data_pipelines.DATASETS)}")
    return dataset, path


def _forget_failures(runs):
    from .sweeps import outcome

    for run in runs:
        lock = outcome.take(run)
        if lock:
            outcome.forget_failure(run)
            lock.close()


def run() -> None:
    """Start `ctrzoo-sweep`: an expected failure prints one line to standard error, with exit code 1."""
    interrupted = "interrupted. Finished runs are kept. Rerun the command to resume."
    run_command("ctrzoo-sweep", main, FLAGS, __doc__, interrupted, urls=("tracking_uri", "dataset"))


if __name__ == "__main__":
    run()
