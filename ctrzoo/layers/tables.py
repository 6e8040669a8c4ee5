"""What layers with a table share: its rows can be divided over devices, and files do not hold the rows added for it."""

from typing import Any

import keras

from ctrzoo.distribution import mark_rows, padded_rows, restore, stored


class TableLayer(keras.layers.Layer):
    """A layer with tables, which a `keras.distribution` may divide by rows (see `ctrzoo.distribution`)."""

    def add_table(self, name: str, num_rows: int, width: int, **options: Any) -> Any:
        """Add a table; under a distribution that divides it, with as many rows more as that needs.

        Args:
            name: Name of the weight.
            num_rows: Number of rows that are looked up.
            width: Numbers in a row.
            **options: As in `add_weight`.
        """
        shape = (padded_rows(num_rows, f"{self.path}/{name}"), width)
        table = self.add_weight(name=name, shape=shape, autocast=False, **options)
        mark_rows(table, num_rows)
        return table

    def save_own_variables(self, store: Any) -> None:
        """Save weights without the rows that were added to divide them."""
        for index, variable in enumerate([*self._trainable_variables, *self._non_trainable_variables]):
            store[f"{index}"] = stored(variable)

    def load_own_variables(self, store: Any) -> None:
        """Load weights, with any number of devices."""
        self._check_load_own_variables(store)
        for index, variable in enumerate([*self._trainable_variables, *self._non_trainable_variables]):
            restore(variable, store[f"{index}"])
