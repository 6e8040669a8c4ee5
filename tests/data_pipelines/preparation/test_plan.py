"""What is to become of a table: its columns, its protocol, what cannot be."""

import json

import pytest

from ctrzoo.data_pipelines import prepare
from ctrzoo.data_pipelines.encoding.fields import FieldEncoding
from ctrzoo.data_pipelines.preparation.plan import TablePlan
from ctrzoo.data_pipelines.preparation.splits import ByColumn, ByFile, Folds, Fractions, Shuffled


@pytest.mark.parametrize("name", ["criteo", "avazu", "kdd12", "movielens_1m", "movielens_100k"])
def test_an_unknown_protocol_is_named(name, tmp_path):
    with pytest.raises(
        ValueError, match="`protocol` must be one of 'reference', 'clean'(, 'history')?. Received: 'original'"
    ):
        prepare(name, tmp_path, raw=tmp_path, protocol="original")


def test_the_columns_to_read_are_numbers_where_all_that_read_them_want_numbers():
    fields = [
        FieldEncoding("site"),
        FieldEncoding("price", "numerical"),
        FieldEncoding("price_text", column="price"),
        FieldEncoding("size", "numerical"),
        FieldEncoding("bucket", column="size", transform="quantile"),
    ]
    plan = TablePlan(fields, "click", ByColumn("day", valid_from=5))
    assert plan.needed_columns() == {"click": True, "site": False, "price": False, "size": True, "day": False}


def test_a_description_is_for_json_and_tells_plans_apart():
    def described(**options):
        return json.dumps(TablePlan([FieldEncoding("site")], **options).describe())

    assert json.loads(described())["split"][0] == "Fractions"
    others = [
        described(split=Fractions(seed=1)),
        described(fit_on="all"),
        described(roles="y"),
        described(split=ByFile()),
    ]
    assert len({described(), *others}) == 5 and described() == described(split=Fractions(0.8, 0.1, 0.1, 0))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fit_on": "valid"}, "`fit_on` must be 'train' or 'all'. Received: 'valid'"),
        ({"split": Shuffled()}, "needs all labels or the row count first. Set fit_on='all'"),
        ({"split": Folds()}, "needs all labels or the row count first. Set fit_on='all'"),
    ],
)
def test_what_cannot_be_fitted_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        TablePlan([FieldEncoding("site")], **options)
