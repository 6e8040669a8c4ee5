"""The benchmark suite: time and memory of a step, compared with baselines."""
