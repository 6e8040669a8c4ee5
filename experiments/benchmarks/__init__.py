"""The benchmark suite: what a step costs, how much memory, against which baselines."""
