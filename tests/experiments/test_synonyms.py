"""Each synonym stands for a name that a program knows."""

import dataclasses

from ctrzoo import models
from ctrzoo.experiments import prepare, train
from ctrzoo.experiments.settings import Settings
from ctrzoo.experiments.synonyms import SYNONYMS
from ctrzoo.training.options import TrainingOptions


def test_a_synonym_stands_for_a_flag_a_setting_or_a_hyperparameter():
    known = {field.name for kind in (Settings, TrainingOptions) for field in dataclasses.fields(kind)}
    known |= {*train.FLAGS, *prepare.FLAGS}
    known |= {key for name in models.MODELS for key in models.hyperparameters_of(name)}
    assert set(SYNONYMS.values()) <= known


def test_a_name_that_a_program_knows_is_no_synonym():
    settings = {field.name for kind in (Settings, TrainingOptions) for field in dataclasses.fields(kind)}
    assert not settings & set(SYNONYMS)
