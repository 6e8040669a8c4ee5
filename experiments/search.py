"""Search hyperparameters with Optuna: `ctrzoo-search`, or `python -m ctrzoo.experiments.search`.

Example: `ctrzoo-search --config=space.py --trials=40`. The configuration is a Python file whose `get_search()` returns
settings, hyperparameters and data set options. Values that are lists or `ctrzoo.experiments.sweeps.search.Between` are
searched; all others are fixed. Trials are compared by validation log loss. A trial whose loss is above the median after
an epoch ends early. To speed up a study, run several processes at once with different seeds. Rerun the command to
resume.
"""

import pathlib
from collections.abc import Sequence

from absl import flags

from .cli import DATA_DIR_HELP, data_dir, program_flags, run_command

FLAGS = program_flags()
flags.DEFINE_string("config", None, "A Python file with get_search().", flag_values=FLAGS)
flags.DEFINE_string(
    "folder", None, "Folder of the study, by default runs/<config>; rerun with it to resume.", flag_values=FLAGS
)
flags.DEFINE_string("data_dir", None, f"The folder of prepared data, {DATA_DIR_HELP}", flag_values=FLAGS)
flags.DEFINE_multi_string(
    "raw", [], "dataset=path of the raw file or folder of a data set; repeatable.", flag_values=FLAGS
)
flags.DEFINE_integer("trials", 20, "Number of trials of the study, over all processes.", flag_values=FLAGS)
flags.DEFINE_string("sampler", "tpe", "How hyperparameters are chosen: tpe, random or grid.", flag_values=FLAGS)
flags.DEFINE_integer("seed", 0, "Seed for the sampler; give each process a different one.", flag_values=FLAGS)


def main(argv: Sequence[str]) -> None:
    """Run the search that the flags describe."""
    if len(argv) > 1 or not FLAGS.config:
        raise ValueError("--config is missing. Pass the path of a Python file with get_search().")
    from .sweep import raw_of
    from .sweeps.plan import read_config

    try:
        from .sweeps.search import Search, open_study, write_search
    except ModuleNotFoundError as error:
        raise ValueError(f"The search needs {error.name}: pip install 'ctrzoo[search]'.") from error
    space, _ = read_config(FLAGS.config, "get_search")
    folder = pathlib.Path(FLAGS.folder or f"runs/{pathlib.Path(FLAGS.config).stem}")
    study = open_study(folder, space, FLAGS.sampler, FLAGS.seed)
    raw = dict(raw_of(text) for text in FLAGS.raw)
    try:
        Search(study, space, folder, data_dir(FLAGS.data_dir), raw).work(FLAGS.trials)
    finally:
        write_search(study, folder)
    print((folder / "search.md").read_text(encoding="utf-8"))


def run() -> None:
    """Start `ctrzoo-search`: an expected failure prints one line to standard error, with exit code 1."""
    run_command("ctrzoo-search", main, FLAGS, __doc__, "interrupted. Rerun the command to resume the study.")


if __name__ == "__main__":
    run()
