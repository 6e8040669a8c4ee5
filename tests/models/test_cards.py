"""The table of models in models/README.md is the one that the code generates."""

import pathlib

import pytest

from ctrzoo.models import MODELS
from ctrzoo.models.cards import COMMAND, cards_table, model_cards

README = pathlib.Path(__file__).resolve().parents[2] / "models" / "README.md"


@pytest.fixture(scope="module")
def cards():
    return {card["class"]: card for card in model_cards()}


def test_every_model_has_a_card(cards):
    assert list(cards) == [model.__name__ for model in MODELS.values()]
    for name, card in cards.items():
        assert card["cost"].startswith("O("), f"begin the line `Cost:` in the docstring of {name} with `O(`"
        assert "http" in card["source"], f"add a link to the line `Source:` in the docstring of {name}"


def test_tables_with_a_row_for_each_id_are_not_counted(cards):
    assert cards["LR"]["parameters"] == cards["FM"]["parameters"] == "1"  # the bias
    assert cards["CrossNet"]["parameters"] == f"{7 * 39 * 16 + 1:,}"  # three layers of two vectors, and the output


def test_the_table_is_up_to_date():
    assert README.read_text(encoding="utf-8") == cards_table(), f"Run: {COMMAND}"
