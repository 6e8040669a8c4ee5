"""From the configuration of a sweep to its runs."""

import pytest

from ctrzoo.experiments.sweeps.grid import grid
from ctrzoo.experiments.sweeps.plan import CONFIGS, plan, read_ordered, read_sweep
from ctrzoo.experiments.sweeps.planted_histories import KEPT
from ctrzoo.experiments.sweeps.results import rows_of
from ctrzoo.files import write_json


def test_runs_that_differ_in_the_seed_alone_share_a_folder():
    one, two, other = plan(grid(model="lr", epochs=[3, 4], seed=[1, 2])[:3], "sweep", "data")
    assert one.folder.parent == two.folder.parent != other.folder.parent


def test_overrides_hold_for_all_runs_and_equal_runs_are_done_once():
    runs = plan(grid(model=["lr", "fm"], seed=[1, 2]), "sweep", "data", overrides={"seed": 5})
    assert [(run.settings.model, run.settings.seed) for run in runs] == [("lr", 5), ("fm", 5)]


@pytest.mark.parametrize(
    ("choice", "message"),
    [({"modle": "lr"}, "Did you mean 'model'"), ({"model": "lr", "epochs": 0}, "'epochs' must be a whole number")],
)
def test_a_wrong_choice_names_its_run(choice, message):
    with pytest.raises(ValueError, match="The run {.*" + message):
        plan([choice], "sweep", "data")


NAMES = sorted(path.stem for path in CONFIGS.glob("[a-z]*.py"))


def test_only_the_daily_sweep_has_runs_that_depend_on_each_other():
    assert [name for name in NAMES if read_ordered(name) is not None] == ["daily"]
    with pytest.raises(ValueError, match="Unknown sweep table3.*table2"):
        read_ordered("table3")


@pytest.mark.parametrize("name", [name for name in NAMES if name != "daily"])
def test_each_sweep_of_the_project_can_be_planned_and_reported(name, tmp_path):
    choices, write_report = read_sweep(name)
    runs = plan(choices, tmp_path, tmp_path)
    assert len(runs) == len(choices)
    rows = rows_of(runs)
    # The reports of these two need the models of finished runs. `next_movie/` and `test_own_times.py` test them.
    if name not in ("next_movie", "movielens_history"):
        rows = [{**row, "state": "finished", "test_auc": 0.85, "test_log_loss": 0.4} for row in rows]
    if name == "histories":  # otherwise its report reads the data of a run
        write_json(tmp_path / KEPT, {"no_history": 0.6, "order_free": 0.7, "bayes": 0.8})
    write_report(rows, tmp_path)
    assert any(path.suffix in (".png", ".md") for path in tmp_path.iterdir())


def test_a_sweep_that_is_not_there():
    with pytest.raises(ValueError, match="Unknown sweep table3.*table2"):
        read_sweep("table3")
