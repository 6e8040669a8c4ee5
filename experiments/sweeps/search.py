"""Hyperparameter search with Optuna: every trial is a run, scored by its monitored validation metric."""

import contextlib
import dataclasses
import fcntl
import pathlib
import time
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.trial import TrialState

from ctrzoo.files import write_text
from ctrzoo.metrics import metric_of
from ctrzoo.tasks import TASKS
from ctrzoo.types import Path

from . import outcome
from .plan import plan
from .process import TRAIN, start_training, was_killed

SAMPLERS = ("tpe", "random", "grid")
HEARTBEAT_SECONDS = 30
SECONDS_BETWEEN_LOOKS = 0.5
PRUNED = "pruned after epoch "
MOST_KILLED = 3


@dataclasses.dataclass(frozen=True)
class Between:
    """A range to search; it yields whole numbers if both ends are whole numbers.

    Attributes:
        low: Lower end, inclusive.
        high: Upper end, inclusive.
        log: Whether to sample uniformly on a logarithmic scale.
    """

    low: float
    high: float
    log: bool = False

    def suggest(self, trial: optuna.Trial, name: str) -> int | float:
        """Return the value for a trial."""
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(name, self.low, self.high, log=self.log)
        return trial.suggest_float(name, self.low, self.high, log=self.log)


def open_study(folder: pathlib.Path, space: Mapping[str, Any], sampler: str = "tpe", seed: int = 0) -> optuna.Study:
    """Open or create a folder's study, `study.db`, which several processes may share.

    A trial whose process was killed shows no heartbeat; the next trial of any process repeats it.

    Args:
        folder: The folder.
        space: What `get_search()` returns: lists of values, `Between`s, and fixed values.
        sampler: `"tpe"`, `"random"` or `"grid"`.
        seed: Seed for the sampler; processes that share a study need different seeds.

    Raises:
        ValueError: If the sampler is unknown, a grid search contains a range, or the study has another space.
    """
    ranges = [name for name, value in space.items() if isinstance(value, Between)]
    if sampler == "grid" and ranges:
        raise ValueError(f"A grid needs lists of values, but '{ranges[0]}' is a range. Use the sampler tpe or random.")
    lists = {name: [repr(choice) for choice in value] for name, value in space.items() if isinstance(value, list)}
    samplers = {
        "tpe": lambda: optuna.samplers.TPESampler(seed=seed),
        "random": lambda: optuna.samplers.RandomSampler(seed=seed),
        "grid": lambda: optuna.samplers.GridSampler(lists, seed=seed),
    }
    if sampler not in samplers:
        raise ValueError(f"The sampler must be one of {', '.join(samplers)}. Received: {sampler!r}.")
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):  # the first process creates Optuna's tables; two at once would fail
        return _open(folder, space, samplers[sampler]())


@contextlib.contextmanager
def _locked(folder):
    with open(folder / "study.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _open(folder, space, sampler):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # heartbeats
        storage = optuna.storages.RDBStorage(
            f"sqlite:///{folder / 'study.db'}",
            engine_kwargs={"connect_args": {"timeout": 100}},
            heartbeat_interval=HEARTBEAT_SECONDS,
            heartbeat_stale_trial_callback=optuna.storages.RetryHeartbeatStaleTrialCallback(),
        )
    study = optuna.create_study(
        study_name="search",
        storage=storage,
        sampler=sampler,
        pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=2),
        load_if_exists=True,
    )
    _check_space(study, {name: repr(value) for name, value in space.items()}, folder)
    return study


def _check_space(study, space, folder):
    """Raise an error if the study's trials come from another space, because such trials are not comparable."""
    earlier = study.user_attrs.get("space")
    if earlier is None:
        study.set_user_attr("space", space)
        return
    names = [name for name in {**earlier, **space} if earlier.get(name) != space.get(name)]
    if names:
        differences = "; ".join(f"{name} was {earlier.get(name)}, is {space.get(name)}" for name in names)
        raise ValueError(f"{folder} holds the search of another space: {differences}. Choose another --folder.")


class Killed(RuntimeError):
    """The training process died without a message."""


class Search:
    """Runs trials of a study until it has enough.

    Args:
        study: The study.
        space: What `get_search()` returns.
        folder: The folder of the search.
        data_dir: Folder of prepared data sets.
        raw: The raw file or folder of each data set that needs one.
        train: The training command; a run's arguments are appended.
    """

    def __init__(
        self,
        study: optuna.Study,
        space: Mapping[str, Any],
        folder: pathlib.Path,
        data_dir: Path,
        raw: Mapping[str, str] | None = None,
        train: Sequence[str] = TRAIN,
    ):
        self.study, self.space, self.folder = study, space, folder
        self.data_dir, self.raw, self.train = data_dir, raw, train
        self._killed = 0

    def work(self, num_trials: int) -> None:
        """Run trials until `num_trials` of the study, over all processes, have finished, failed or been pruned.

        Args:
            num_trials: The number of trials.

        Raises:
            ChildProcessError: If training was killed several times in a row.
        """

        def stop_if_enough(study, _):
            if sum(_is_done(trial) for trial in study.get_trials(deepcopy=False)) >= num_trials:
                study.stop()

        if sum(_is_done(trial) for trial in self.study.trials) < num_trials:
            self.study.optimize(self._objective, callbacks=[stop_if_enough], catch=(RuntimeError,))

    def _objective(self, trial):
        try:
            return self._value(trial)
        except (KeyboardInterrupt, ChildProcessError, Killed):  # a grid would count the values as tried
            again = optuna.storages.RetryHeartbeatStaleTrialCallback()
            again(self.study, self.study.get_trials(deepcopy=False)[trial.number])
            raise

    def _value(self, trial):
        choice = {name: _suggest(trial, name, value) for name, value in self.space.items()}
        (run,) = plan([choice], self.folder / "trials", self.data_dir, self.raw)
        trial.set_user_attr("command", run.command)
        while (lock := outcome.take(run)) is None:  # another process has the same values
            time.sleep(SECONDS_BETWEEN_LOOKS)
        epochs = 0
        with lock:
            if not outcome.is_finished(run) and not outcome.is_failed(run):
                epochs = self._train(run, lock, trial)
        _report(run, trial, epochs)
        reason = outcome.reason_of(run)
        if reason.startswith(PRUNED):
            raise optuna.TrialPruned(reason)
        if reason:
            trial.set_user_attr("reason", reason)
            raise RuntimeError(reason)
        if not outcome.is_finished(run):
            self._killed += 1
            if self._killed == MOST_KILLED:
                raise ChildProcessError(
                    f"Training was killed {MOST_KILLED} times in a row, perhaps for lack of memory. "
                    f"The last command was {run.command}"
                )
            raise Killed
        self._killed = 0
        metrics = outcome.metrics_of(run)
        monitor = metrics.get("monitor", "log_loss")
        trial.set_user_attr("monitor", monitor)
        return cost_of(monitor, metrics["valid"][monitor])

    def _train(self, run, lock, trial):
        """Train; return the number of epochs reported to Optuna."""
        outcome.record_start(run)
        process, epochs = start_training(run, lock, self.train), 0
        try:
            while process.poll() is None:
                epochs = _report(run, trial, epochs)
                if epochs and trial.should_prune():
                    process.terminate()
                    process.wait()
                    outcome.record_end(run, f"{PRUNED}{epochs}")
                    return epochs
                time.sleep(SECONDS_BETWEEN_LOOKS)
        finally:
            process.terminate()
            process.wait()
        if outcome.is_finished(run):
            outcome.record_end(run, "")
        elif not was_killed(process.returncode):
            outcome.record_end(run, outcome.last_line(run).removeprefix("ctrzoo-train: "))
        return epochs


def write_search(study: optuna.Study, folder: pathlib.Path) -> None:
    """Write `search.csv`, one row per trial, and `search.md`: the best trial and its command."""
    write_text(folder / "search.csv", study.trials_dataframe().to_csv(index=False))
    trials = study.get_trials(deepcopy=False)
    counts = {state.name.lower(): sum(trial.state is state for trial in trials) for state in TrialState}
    lines = ["# Search", "", ", ".join(f"{number} {name}" for name, number in counts.items() if number), ""]
    if counts["complete"]:
        best, value = study.best_trial, study.best_value
        monitor = best.user_attrs.get("monitor", "log_loss")
        value = cost_of(monitor, value)
        lines.append(f"Trial {best.number} has the best validation {metric_of(monitor).title}, {value:.4f}:")
        lines += ["", f"    {best.user_attrs['command']}", ""]
    write_text(folder / "search.md", "\n".join(lines))


def _is_done(trial):
    return trial.state in (TrialState.COMPLETE, TrialState.PRUNED) or "reason" in trial.user_attrs


def _suggest(trial, name, value):
    if isinstance(value, Between):
        return value.suggest(trial, name)
    if isinstance(value, list):
        choices = {repr(choice): choice for choice in value}  # Optuna stores no tuples
        return choices[trial.suggest_categorical(name, list(choices))]
    return value


def _report(run, trial, known):
    """Report new epochs to Optuna; return the total number of epochs."""
    history = outcome.history_of(run)
    for row in history[known:]:
        monitor = run.settings.monitor or next(
            task.monitor for task in TASKS.values() if f"valid_{task.monitor}" in row
        )
        if row[f"valid_{monitor}"]:
            trial.report(cost_of(monitor, float(row[f"valid_{monitor}"])), int(row["epoch"]))
    return len(history)


def cost_of(monitor: str, value: float) -> float:
    """Return what Optuna minimizes: the monitored metric, with a minus if higher values are better.

    >>> cost_of("log_loss", 0.5), cost_of("auc", 0.8)
    (0.5, -0.8)
    """
    return -value if metric_of(monitor).higher_is_better else value
