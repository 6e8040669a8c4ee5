"""Messages about unknown names suggest what was meant."""

import pytest

from ctrzoo.suggest import closest, unknown

MODELS = ["lr", "fm", "deepfm", "dcn", "dcn_v2", "xdeepfm", "wide_deep"]
SETTINGS = ["learning_rate", "learning_rate_schedule", "epochs", "deep_dropout", "embedding_dropout", "deep_units"]


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("DeepFM", MODELS, ["deepfm"]),
        ("DCN-V2", MODELS, ["dcn_v2"]),
        ("Wide&Deep", MODELS, ["wide_deep"]),
        ("xdepfm", MODELS, ["xdeepfm"]),
        ("lr", SETTINGS, ["learning_rate"]),  # the synonym
        ("epoch", SETTINGS, ["epochs"]),
        ("dropout", SETTINGS, ["deep_dropout", "embedding_dropout"]),
        ("units", SETTINGS, ["deep_units"]),
        ("xyz", SETTINGS, []),
        ("---", SETTINGS, []),
    ],
)
def test_closest(name, known, expected):
    assert closest(name, known, {"lr": "learning_rate", "nothing": "absent"}) == expected


def test_several_names_are_suggested():
    message = "Unknown setting 'dropout'. Did you mean 'deep_dropout' or 'embedding_dropout'?"
    assert unknown("setting", "dropout", SETTINGS) == message


def test_without_a_near_name_all_are_listed():
    assert unknown("model", "zzz", ["lr", "fm"]) == "Unknown model 'zzz'. Known: lr, fm."
    assert unknown("model", 3, []) == "Unknown model '3'. Known: none."
