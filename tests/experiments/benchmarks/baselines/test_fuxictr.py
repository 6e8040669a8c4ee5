"""FuxiCTR's models, connected in the benchmarks, have as many weights as ours."""

import json
import math
import os
import subprocess
import sys

import pytest

from ctrzoo import models
from ctrzoo.experiments.benchmarks.hyperparameters import HYPERPARAMETERS, VARIANTS
from ctrzoo.experiments.benchmarks.race import import_path
from ctrzoo.experiments.benchmarks.shapes import SHAPES, history_schema

SCHEMAS = {"tiny": SHAPES["tiny"], "history": history_schema(1_000, num_events=3)}
# The Python that `--peers_python` names too; by default the current one.
PEERS_PYTHON = os.environ.get("CTRZOO_PEERS_PYTHON", sys.executable)
# Counts the weights of each model, and takes three training steps with it.
PROGRAM = """
import json, sys
from ctrzoo.experiments.benchmarks.baselines.fuxictr import histories, timing
from ctrzoo.experiments.benchmarks.work import Work
from ctrzoo.schema import Schema
counts = {}
for shape, config in json.loads(sys.argv[1]).items():
    schema = Schema.from_dict(config)
    for name, model in timing.MODELS.items():
        if bool(schema.histories) == (name in histories.MODELS):
            counts[f"{shape} {name}"] = timing.num_weights(model(timing.feature_map_of(schema)))
            timing.prepare(Work("fuxictr", name, config, batch_size=32))(3)
print(json.dumps(counts))
"""


# FuxiCTR's further weights, which change no output: a second bias, and biases that a normalization takes away.
MORE = {"tiny deepfm": 1, "tiny wukong": 80}
# Our further weights: the vectors of 36 ids for their own field, of size 4, which are never used.
OURS = {"tiny ffm": 36 * 4}
# Connected in the form of FuxiCTR's model zoo, which is another model than ours.
OTHER_FORM = ("fnn", "dlrm", "cin", "fignn", "interhat")


@pytest.fixture(scope="module")
def counts():
    """The weights of FuxiCTR's models, `{"<shape> <model>": number}`."""
    with import_path() as path:
        environment = {**os.environ, "PYTHONPATH": path}
        found = subprocess.run([PEERS_PYTHON, "-c", "import fuxictr.pytorch"], env=environment, capture_output=True)
        if found.returncode:
            pytest.skip("FuxiCTR is not installed; CTRZOO_PEERS_PYTHON can name a Python that has it")
        configs = json.dumps({shape: schema.to_dict() for shape, schema in SCHEMAS.items()})
        run = subprocess.run(
            [PEERS_PYTHON, "-c", PROGRAM, configs], env=environment, capture_output=True, text=True, check=False
        )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


def our_count(name, schema):
    """Our weights, without the rows of absent ids, as `num_weights` counts those of FuxiCTR."""
    model = models.build(VARIANTS.get(name, name), schema, **HYPERPARAMETERS.get(name, {}))
    shapes = [weight.shape for weight in model.trainable_variables]
    absent = [math.prod(shape[1:]) for shape in shapes if shape[0] == schema.num_ids]
    return sum(map(math.prod, shapes)) - sum(absent)


def test_models_have_as_many_weights_as_ours(counts):
    equal = {
        key: number - MORE.get(key, 0) + OURS.get(key, 0)
        for key, number in counts.items()
        if key.split()[1] not in OTHER_FORM
    }
    assert {"tiny masknet_parallel", "tiny fcn", "history din"} <= set(equal)
    assert equal == {key: our_count(name, SCHEMAS[shape]) for key in equal for shape, name in [key.split()]}
