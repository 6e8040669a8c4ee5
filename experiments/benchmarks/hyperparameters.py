"""The sizes at which models are measured: the same in every library, so some differ from the zoo's defaults."""

EMBEDDING_DIM = 16

# Other libraries have the formulation of the papers only, CIN without halving, and Fi-GNN without a first projection.
HYPERPARAMETERS = {
    "autoint": {"formulation": "paper"},
    "cin": {"split_half": False},
    "fignn": {"formulation": "paper", "units": 16},
    "interhat": {"formulation": "paper"},
}
