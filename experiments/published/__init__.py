"""Numbers published in papers and benchmarks, as CSV files with the source of each row.

- `graphfm_table1.csv`: sizes of the data sets.
- `graphfm_table2.csv`: GraphFM and its baselines. Its rows LR to AutoInt are copied from AutoInt's Table 2, not rerun.
  Its "xDeepFM" is CIN without an MLP, so its label is `cin`.
- `graphfm_table2_average.csv`: the table's columns "Avg. Improvement": GraphFM's AUC and log loss minus those of each
  baseline, averaged over the three data sets. Two cells do not follow from the table; see
  `ctrzoo.experiments.claims.table2`.
- `autoint_table5.csv`: models trained jointly with an MLP.
- `graphfm_figure3.csv`: GraphFM by the number of neighbors in its second (row) and third (column) layer, from the
  script that drew the figure. On MovieLens-1M, rows and columns count neighbors; on the others, they are positions
  whose numbers of neighbors the script does not give. The entry (7, 7) of Criteo is printed as 0.08081, which must
  mean 0.8081.
- `bars.csv`: the BARS benchmark, single runs on its own preparations of the data. Its Criteo and Avazu data differ
  from GraphFM's, so do not compare rows across the files.
"""

import pathlib

import pandas as pd

HERE = pathlib.Path(__file__).parent


def read_published(name: str) -> pd.DataFrame:
    """Return a file of this folder as a frame.

    Raises:
        ValueError: If the file does not exist.

    >>> table = read_published("graphfm_table2").set_index(["dataset", "label"])
    >>> float(table.loc[("movielens_1m", "graphfm"), "auc"])
    0.8535
    """
    path = HERE / f"{name}.csv"
    if not path.is_file():
        raise ValueError(f"Unknown file {name}. Known: {', '.join(sorted(file.stem for file in HERE.glob('*.csv')))}.")
    return pd.read_csv(path, keep_default_na=False)
