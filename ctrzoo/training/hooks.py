"""Callbacks of Keras in the training loop of ctrzoo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras

from ctrzoo.model import CTRModel

# What `train` does by itself, and the option for it.
_REFUSED = {
    "BackupAndRestore": "`train` resumes from its own checkpoints when it has a folder",
    "ReduceLROnPlateau": "set the option `plateau_factor`",
}


class Hooks:
    """Calls the callbacks of a run.

    Epochs and steps are counted from 0, as in `fit`, also in a resumed run. A callback gets

    - `on_train_begin`, `on_train_end`: no logs;
    - `on_epoch_begin(epoch)`: again, if a run is resumed within the epoch;
    - `on_train_batch_end(step, logs)`: the loss of the step. Losses are fetched for up to 20 steps at a time, so the
      weights that the callback sees are those after the last of them;
    - `on_epoch_end(epoch, logs)`: the row of the history, such as `loss` and `valid_log_loss` (`monitor=` must name
      one of these), before the checkpoint of the epoch is written.

    Hooks of validation, prediction and the beginning of a batch are not called. `model.stop_training = True` ends the
    run after the epoch. On several hosts callbacks run on all of them, and one that stops stops all.

    Args:
        callbacks: Objects with the methods of `keras.callbacks.Callback`.
        model: The model that is trained.
        epochs: The most epochs.
        steps: Steps per epoch.

    Raises:
        ValueError: For a callback that does what `train` does by itself.
    """

    def __init__(self, callbacks: Sequence[keras.callbacks.Callback], model: CTRModel, epochs: int, steps: int) -> None:
        for callback in callbacks:
            for name, instead in _REFUSED.items():
                if isinstance(callback, getattr(keras.callbacks, name)):
                    raise ValueError(f"The callback {name} has no effect here: {instead}. Leave it out.")
        self.model, self.any = model, bool(callbacks)
        model.stop_training = False
        self._list = keras.callbacks.CallbackList(list(callbacks), model=model, epochs=epochs, steps=steps, verbose=0)

    def begin(self) -> None:
        """Call `on_train_begin`."""
        self._list.on_train_begin()

    def begin_epoch(self, epoch: int) -> None:
        """Call `on_epoch_begin`."""
        self._list.on_epoch_begin(epoch)

    def end_steps(self, first: int, losses: Sequence[float]) -> None:
        """Call `on_train_batch_end` for steps whose losses were fetched together."""
        if self.any:
            for step, loss in enumerate(losses, start=first):
                self._list.on_train_batch_end(step, {"loss": loss})

    def end_epoch(self, epoch: int, row: Mapping[str, float]) -> bool:
        """Call `on_epoch_end`; return whether a callback wants to stop."""
        self._list.on_epoch_end(epoch, dict(row))
        return bool(self.model.stop_training)

    def end(self) -> None:
        """Call `on_train_end`."""
        self._list.on_train_end()
