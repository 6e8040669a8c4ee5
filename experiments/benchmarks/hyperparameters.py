"""The sizes at which models are measured. All libraries use the same, so some differ from the zoo's defaults."""

EMBEDDING_DIM = 16

# Other libraries have only the papers' formulations, CIN without halving, and Fi-GNN without a first projection.
HYPERPARAMETERS = {
    "autoint": {"formulation": "paper"},
    "cin": {"split_half": False},
    "fignn": {"formulation": "paper", "units": 16},
    "interhat": {"formulation": "paper"},
}
