"""A small log of ratings, prepared for the next movie."""

from ctrzoo.data_pipelines import load, prepare
from tests.data_pipelines.datasets.test_next_movie_table import tables, write_raw


def prepared(folder, num_users=12, num_movies=25, **options):
    """Return prepared data of a small log, and its raw folder."""
    raw = folder / "raw"
    raw.mkdir()
    write_raw(raw, *tables(num_users, num_movies))
    return load(prepare("movielens_100k", folder / "data", raw=raw, protocol="next_movie", **options)), raw
