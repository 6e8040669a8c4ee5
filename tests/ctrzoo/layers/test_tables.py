"""Layers with tables, without a distribution; `test_distribution.py` has them with one."""

import keras
import numpy as np

from ctrzoo.layers.tables import TableLayer


@keras.saving.register_keras_serializable("tests")
class Rows(TableLayer):
    def build(self, shape):
        self.table = self.add_table("table", 7, 3, initializer="ones")

    def call(self, ids):
        return keras.ops.take(self.table, ids, axis=0)


def test_without_a_distribution_a_table_has_the_rows_asked_for(tmp_path):
    ids = keras.Input((2,), dtype="int32")
    layer = Rows(name="rows")
    model = keras.Model(ids, layer(ids))
    assert layer.table.shape == (7, 3) and layer.table.path == "rows/table"
    layer.table.assign(np.arange(21.0).reshape(7, 3))
    model.save(tmp_path / "rows.keras")
    again = keras.models.load_model(tmp_path / "rows.keras")
    np.testing.assert_array_equal(again.get_layer("rows").table, layer.table)
    np.testing.assert_array_equal(again(np.array([[6, 0]])), [[[18, 19, 20], [0, 1, 2]]])
