"""The sizes at which models are measured. All libraries use the same, so some differ from the zoo's defaults."""

EMBEDDING_DIM = 16

# Other libraries have only the papers' formulations, CIN without halving, and Fi-GNN without a first projection.
HYPERPARAMETERS = {
    "afn_plus": {"deep_units": (400, 400)},
    "autoint": {"formulation": "paper"},
    "cin": {"split_half": False},
    "fignn": {"formulation": "paper", "units": 16},
    "gdcn_parallel": {"structure": "parallel"},
    "interhat": {"formulation": "paper"},
    "masknet_parallel": {"structure": "parallel", "deep_units": (400, 400)},
}

# Further forms of a model of the zoo, by their names in the benchmarks; `HYPERPARAMETERS` has their settings.
VARIANTS = {"afn_plus": "afn", "gdcn_parallel": "gdcn", "masknet_parallel": "masknet"}
