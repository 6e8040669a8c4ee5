"""Numbers that papers and benchmarks printed, as CSV files with the source of each row.

- `graphfm_table1.csv`: sizes of the data sets.
- `graphfm_table2.csv`: GraphFM and its baselines. Its rows LR to AutoInt are those of AutoInt's Table 2, not run
  anew; its "xDeepFM" is CIN without an MLP, so its label is `cin`.
- `autoint_table5.csv`: models trained jointly with an MLP.
- `graphfm_figure3.csv`: GraphFM by the numbers of neighbors of its second (row) and third (column) layer, from the
  script that drew the figure. On MovieLens-1M rows and columns count neighbors; on the others they are positions
  whose numbers the script does not say. The entry (7, 7) of Criteo is printed 0.08081; 0.8081 is meant.
- `bars.csv`: the BARS benchmark, single runs, on its own preparations of the data; those of Criteo and Avazu differ
  from GraphFM's, so that rows are not comparable across the files.
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
