"""Run all lessons: `python -m ctrzoo.experiments.lessons --folder=lessons` prints tables and draws pictures."""

from absl import app, flags

from .exceptions import print_lesson as print_exceptions
from .pairs import print_lesson as print_pairs
from .publishers import print_lesson as print_publishers

FOLDER = flags.DEFINE_string("folder", "lessons", "Folder of the tables and pictures.")


def main(_: list[str]) -> None:
    """Run each lesson."""
    for print_lesson in (print_publishers, print_exceptions, print_pairs):
        print_lesson(FOLDER.value)


if __name__ == "__main__":
    app.run(main)
