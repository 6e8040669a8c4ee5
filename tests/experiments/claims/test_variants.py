"""Variants compared with the first one, with the t-test by hand."""

from ctrzoo.experiments.claims.variants import write_variants


def row(label, seed, auc, state="finished"):
    common = {"dataset": "a", "label": label, "seed": seed, "variant": "", "choices": {}, "group": label}
    costs = dict.fromkeys(("best_epoch", "epochs", "num_parameters", "seconds_per_epoch", "seconds"), 1)
    return {**common, **costs, "state": state, "test_auc": auc, "test_log_loss": auc and 1 - auc}


def test_each_variant_is_compared_with_the_first(tmp_path):
    aucs = {"top k": (0.810, 0.812), "threshold": (0.800, 0.802), "one": (0.7,)}
    rows = [row(label, seed, auc) for label, values in aucs.items() for seed, auc in enumerate(values)]
    write_variants([*rows, row("one", 1, None, "open")], tmp_path)
    text = (tmp_path / "variants.md").read_text(encoding="utf-8")
    # Variances of 2 millionths each: t = 10 / sqrt(2), p = 1 - t / sqrt(t^2 + 2) = 0.0194.
    assert "5 of 6 runs are finished" in text and "against top k." in text
    assert "| top k | 2 | 0.8110 ± 0.0014 |  | 0.1890 ± 0.0014 |  |" in text
    assert "| threshold | 2 | 0.8010 ± 0.0014 | 0.019 | 0.1990 ± 0.0014 | 0.019 |" in text
    assert "| one | 1 | 0.7000 |  | 0.3000 |  |" in text


def test_no_finished_run(tmp_path):
    write_variants([row("top k", 0, None, "open")], tmp_path)
    assert "0 of 1 runs are finished" in (tmp_path / "variants.md").read_text(encoding="utf-8")
