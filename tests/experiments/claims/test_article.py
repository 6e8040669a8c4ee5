"""The article's statements about models, tested on small results whose p values follow from a formula."""

from ctrzoo.experiments.claims.article import PAIRS, order_lines, pair_lines


def write_ranks(results, folder, rows):
    (results / folder).mkdir()
    lines = ["split_by,model,seeds,mean rank,mean rank deviation", *rows]
    (results / folder / "next_movie.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_the_order_by_hand(tmp_path):
    """With 2 seeds each and deviations of 1, a difference d has t = d and 2 degrees of freedom, so that

    p = 1 - t / sqrt(2 + t ** 2): 0.42 for d = 1.
    """
    ranks = {"afm": 110, "ffm": 100, "deepfm": 111, "dlrm (concat)": 121, "wide_deep": 131, "nfm": 132, "fm": 142}
    write_ranks(tmp_path, "next_movie", [f"random,{label},2,{rank},1" for label, rank in ranks.items()])
    write_ranks(tmp_path, "next_movie_user", [f"user,{label},1,{rank}," for label, rank in ranks.items()])
    write_ranks(tmp_path, "next_movie_time", ["time,afm,2,110,1", "time,popularity,,300,"])
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in order_lines(tmp_path)[2:]]
    p = 1 - 10 / 102**0.5
    assert rows[0][2:] == [f"afm 110.0 ± 1.0, ffm 100.0 ± 1.0; p = {p:.2g}", "does not hold"]
    assert [row[3] for row in rows[1:8]] == [
        "the other way", "holds", "holds", "holds", "within noise", "holds", "holds"
    ]  # fmt: skip
    assert rows[5][2].endswith("p = 0.42") and rows[7][0] == "FM has the highest mean rank"
    assert rows[8][1] == "the last fifth of each user's queries" and rows[8][3] == "not tested"
    assert rows[9][2:] == ["afm 110.0, ffm 100.0", "too few seeds"] and len(rows) == 8 + 1 + 8


def write_aucs(results, sweep, rows):
    (results / sweep).mkdir()
    lines = ["dataset,label,seed,state,test_auc", *(f"{row[0]},{row[1]},{row[2]},{row[3]},{row[4]}" for row in rows)]
    (results / sweep / "results.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_pairs_by_hand(tmp_path):
    """Two seeds that differ by 2 d have a deviation of d * 2 ** 0.5, so a difference of D has t = D / (d * 2 ** 0.5).

    FM is better than LR by 0.10 with d = 0.01 on both sides.
    """
    rows = [("movielens_1m", "lr", seed, "finished", auc) for seed, auc in enumerate((0.69, 0.71))]
    rows += [("movielens_1m", "fm", seed, "finished", auc) for seed, auc in enumerate((0.79, 0.81))]
    rows += [("movielens_1m", "fm", 2, "open", ""), ("criteo", "fm", 0, "finished", 0.5)]
    rows += [("movielens_1m", "afm", seed, "finished", auc) for seed, auc in enumerate((0.69, 0.71))]
    write_aucs(tmp_path, "table2", rows)
    modern = [("movielens_1m", "dnn", 0, "finished", 0.8), ("movielens_1m", "fm", 0, "finished", 0.1)]
    write_aucs(tmp_path, "modern", [*modern, ("movielens_1m", "deepfm", 0, "finished", 0.9)])
    synthetic = [("synthetic", "fm", seed, "finished", 0.7) for seed in range(2)]
    synthetic += [("synthetic", "lr", seed, "finished", 0.6) for seed in range(2)]
    write_aucs(tmp_path, "recovery", synthetic)
    write_ranks(tmp_path, "next_movie", ["random,fm,2,110,1", "random,afm,2,100,1", "random,popularity,,300,"])
    lines = pair_lines(tmp_path)
    assert len(lines) == 2 + len(PAIRS)
    cells = {tuple(line.split(" | ")[1].split(", ")): line.strip("| ").split(" | ")[2:] for line in lines[2:]}
    t = 0.1 / (0.01 * 2**0.5)
    p = 1 - t / (2 + t**2) ** 0.5
    assert cells["FM", "LR"][0] == f"0.8000, 0.7000: holds (p = {p:.2g})"
    assert cells["AFM", "FM"][0] == f"0.7000, 0.8000: the other way (p = {p:.2g})"
    assert cells["AFM", "FM"][2] == f"100.0, 110.0: holds (p = {1 - 10 / 102**0.5:.2g})"
    assert cells["FM", "LR"][1:] == ["0.7000, 0.6000: holds (p = 0)"] + ["no runs"] * 3
    assert cells["DeepFM", "DNN"][0] == "0.9000, 0.8000: too few seeds"
    assert cells["DeepFM", "FM"][0] == "0.9000, 0.8000: too few seeds"  # FM's runs are those of the first sweep
