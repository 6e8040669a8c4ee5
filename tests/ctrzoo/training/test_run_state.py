"""What a checkpoint holds of a run, and which runs are the same."""

import keras
import pytest

from ctrzoo import models
from ctrzoo.training import TrainingOptions, set_seed
from ctrzoo.training.run_state import check_same_run, describe_run
from tests.small_data import SmallData


@pytest.fixture
def data(mixed_schema):
    return SmallData(mixed_schema)


def fresh_model(data, name="fm", seed=1):
    set_seed(seed)
    return models.build(name, data.schema, embedding_dim=4)


def test_the_precision_of_a_run_is_that_of_its_model(data):
    model = models.FM.from_config({**fresh_model(data).get_config(), "precision": "mixed_bfloat16"})
    model.compile()
    description = describe_run(model, data, TrainingOptions())
    assert (description["precision"], keras.config.dtype_policy().name) == ("mixed_bfloat16", "float32")


def test_a_checkpoint_of_version_0_1_is_resumed_or_names_the_version_to_install():
    now = {"optimizer": "LazyAdam", "plateau_factor": 1.0, "epochs": 3}
    earlier = {"optimizer": "Adam", "learning_rate_decay": 1.0, "epochs": 3}
    check_same_run(earlier, now, "folder", "0.1.0")
    with pytest.raises(ValueError, match=r"epochs was 4, is 3\. .*install ctrzoo 0\.1\.0"):
        check_same_run({**earlier, "epochs": 4}, now, "folder", "0.1.0")
