"""MovieLens by time, from a tiny archive."""

import zipfile

from ctrzoo.experiments.daily.movielens import PERIODS, movielens_days


def test_periods_follow_each_other_in_time(tmp_path):
    ratings = [f"{1 + row % 3}::{1 + row % 2}::{1 + row % 5}::{1000 - row}" for row in range(100)]
    with zipfile.ZipFile(tmp_path / "ml-1m.zip", "w") as archive:
        archive.writestr("ml-1m/users.dat", "".join(f"{user}::F::25::{user}::0\n" for user in (1, 2, 3)))
        archive.writestr(
            "ml-1m/movies.dat", "1::Amélie (2001)::Comedy|Romance\n2::Heat (1995)::Crime\n".encode("latin-1")
        )
        archive.writestr("ml-1m/ratings.dat", "\n".join(ratings) + "\n")
    days = movielens_days(tmp_path / "ml-1m.zip")
    # 20 of the 100 ratings have 3 stars. The first half of 80 has 40, each period 5.
    assert [len(day) for day in days] == [40, *[5] * PERIODS]
    expected = []
    for line in reversed(ratings):  # the last line is the earliest rating
        user, movie, stars, _ = line.split("::")
        if stars != "3":
            expected.append((int(int(stars) > 3), user, "Comedy|Romance" if movie == "1" else "Crime"))
    found = [row for day in days for row in day.select("liked", "user", "genres").rows()]
    assert found == expected
