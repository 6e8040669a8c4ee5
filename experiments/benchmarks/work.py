"""One unit of work to measure, as its process receives it."""

import dataclasses

from ctrzoo.schema import Schema

from .hyperparameters import VARIANTS

IMPLEMENTATIONS = {
    "ctrzoo": "ctrzoo.experiments.benchmarks.zoo",
    "xla": "ctrzoo.experiments.benchmarks.zoo",
    "bfloat16": "ctrzoo.experiments.benchmarks.zoo",
    "keras": "ctrzoo.experiments.benchmarks.baselines.keras_tables",
    "loop": "ctrzoo.experiments.benchmarks.baselines.graph_loop",
    "plain": "ctrzoo.experiments.benchmarks.baselines.graph_plain",
    "fuxictr": "ctrzoo.experiments.benchmarks.baselines.fuxictr.timing",
    "deepctr": "ctrzoo.experiments.benchmarks.baselines.deepctr_models",
}
# These run in the Python that --peers_python names.
PEERS = ("fuxictr", "deepctr")


@dataclasses.dataclass(frozen=True)
class Work:
    """The work that a process measures.

    Attributes:
        implementation: One of `IMPLEMENTATIONS`.
        model: A model of the zoo, or one of `VARIANTS`.
        schema: The schema as dictionaries.
        shape: Name of the schema, for the report.
        mode: `"train"` (steps on rows in memory), `"fit"` (the same through `model.fit`), `"input"` (only the input
            pipeline's batches), `"together"` (steps on the pipeline's batches) or `"predict"` (all rows).
        batch_size: Rows per step.
        cores: The cores that the process may use; it runs as many threads.
        hyperparameters: Arguments of the model.
        num_rows: Rows of a prediction.
        folder: The prepared folder that the pipeline reads.
        is_cached: Whether the pipeline keeps its rows in memory.
    """

    implementation: str
    model: str
    schema: dict
    shape: str = ""
    mode: str = "train"
    batch_size: int = 1024
    cores: tuple[int, ...] = (0,)
    hyperparameters: dict = dataclasses.field(default_factory=dict)
    num_rows: int = 0
    folder: str = ""
    is_cached: bool = False

    @property
    def rows_per_call(self) -> int:
        """Rows of one timed call."""
        return self.num_rows if self.mode == "predict" else self.batch_size

    @property
    def zoo_model(self) -> str:
        """The name in the zoo's registry."""
        return VARIANTS.get(self.model, self.model)

    def make_schema(self) -> Schema:
        """Return the `Schema`."""
        return Schema.from_dict(self.schema)
