"""Write the files of this folder by version 0.1.0; README.md says how to run it.

Every row is drawn by chance here: no real data are in these files.
"""

import json
import pathlib
import shutil

import keras
import numpy as np
import polars as pl

import ctrzoo
from ctrzoo import data_pipelines, models, optimizers, training
from ctrzoo.data_pipelines.serving import serving_model
from ctrzoo.data_pipelines.table import prepare_own_table
from ctrzoo.experiments.run import run_experiment
from ctrzoo.experiments.settings import Settings

HERE = pathlib.Path(__file__).resolve().parent
SCHEMA = {
    "label": "click",
    "fields": [
        {"name": "site", "min_count": 3},
        {"name": "known", "column": "site", "rare": True},
        {"name": "online", "column": "site", "min_count": 4, "running": True},
        {"name": "user", "hash_buckets": 20},
        {"name": "price", "kind": "numerical", "transform": "log1p"},
        {"name": "age", "transform": "quantile", "num_buckets": 4, "missing": "category"},
        {"name": "tags", "kind": "multivalued", "weight_separator": ":"},
    ],
}
MODELS = {
    "graphfm": {"embedding_dim": 4, "units": (4, 4), "num_neighbors": (7, 3), "selector_units": 3},
    "dcn_v2": {"embedding_dim": 2, "num_layers": 1, "deep_units": (4,)},
    "fignn": {"embedding_dim": 4, "units": 4, "num_steps": 1},
}
RUN = {"model": "fm", "epochs": 3, "batch_size": 32, "learning_rate": 0.05, "learning_rate_decay": 0.5}


def write_rows(path, count):
    random = np.random.default_rng(7)
    lines = ["click,site,user,price,age,tags"]
    for _ in range(count):
        site, price = int(random.geometric(0.15)), random.gamma(2, 10)
        tags = "|".join(f"t{tag}:{random.random():.2f}" for tag in random.integers(0, 6, random.integers(0, 4)))
        click = int(random.random() < (0.7 if site % 2 else 0.2))
        age = "" if random.random() < 0.1 else random.integers(10, 80)
        lines.append(f"{click},s{site},u{random.integers(0, 50)},{price:.2f},{age},{tags}")
    path.write_text("\n".join(lines) + "\n")


def write_prepared(folder):
    write_rows(HERE / "rows.csv", 320)
    prepare_own_table(folder, "clicks", HERE / "rows.csv", SCHEMA)
    (HERE / "rows.csv").unlink()
    for name in ("report.json", "fields.png"):  # times and a picture
        (folder / name).unlink()
    data = data_pipelines.load(folder)
    arrays = {"fingerprint": data.fingerprint}
    for split in data.num_rows:
        features, labels = data.arrays(split)
        arrays |= {f"{split}_{key}": array for key, array in {**features, "labels": labels}.items()}
    np.savez_compressed(HERE / "arrays.npz", **arrays)
    return data


def write_encoded(data):
    rows = {
        "site": ["s1", "s2", "unseen", None, "s30"],
        "user": ["u1", "u2", "", "new", "u49"],
        "price": ["0.5", "", "12.25", "99", "-3"],
        "age": ["10", None, "44", "79", "200"],
        "tags": ["t0:0.5|t1:2", "", "t5", "unseen:1|t2:0.25", "t3:1|t3:1"],
    }
    (HERE / "raw_rows.json").write_text(json.dumps(rows, indent=1) + "\n")
    ids, numbers = data.encoding.encode(pl.DataFrame(rows))
    np.savez_compressed(HERE / "encoded.npz", ids=ids, numbers=numbers)
    return pl.DataFrame(rows)


def write_models(data, rows):
    features, _ = data.arrays("test")
    for name, hyperparameters in MODELS.items():
        keras.utils.set_random_seed(1)
        model = models.build(name, data.schema, **hyperparameters)
        model.compile(optimizers.build("adam", 0.01))
        model.fit(*data.arrays("train"), batch_size=32, epochs=1, verbose=0)
        if name != "graphfm":  # one file with an optimizer is enough
            weights, model = model.get_weights(), models.build(name, data.schema, **hyperparameters)
            model.set_weights(weights)
        model.save(HERE / f"{name}.keras")
        np.savez_compressed(HERE / f"{name}.npz", predictions=model.predict(features, verbose=0))
    served = serving_model(keras.models.load_model(HERE / "dcn_v2.keras"), data.encoding)
    served.save(HERE / "serving.keras")
    np.savez_compressed(HERE / "serving.npz", predictions=served.predict(rows, verbose=0))


def write_run(data):
    """Write a run that was interrupted within its second epoch, and the history of one that was not."""

    class Interruption(Exception):
        pass

    class InterruptedStore(training._Store):
        def save(self, state, best):
            super().save(state, best)
            if state.epoch and state.step:
                raise Interruption

    settings = Settings(dataset="clicks", hyperparameters={"embedding_dim": 4}, **RUN)
    store, options = training._Store, {"checkpoint_steps": 4, "keep_checkpoints": 1}
    for folder, kind in ((HERE / "whole", store), (HERE / "run", InterruptedStore)):
        training._Store = kind
        try:
            run_experiment(settings, HERE, None, folder, **options)
        except Interruption:
            pass
    (HERE / "whole" / "history.csv").rename(HERE / "history.csv")
    shutil.rmtree(HERE / "whole")
    shutil.rmtree(HERE / "run" / "tensorboard")
    for name in (".lock", "model.keras", "history.csv"):
        (HERE / "run" / name).unlink(missing_ok=True)
    path = HERE / "run" / "experiment.json"
    path.write_text(path.read_text().replace(str(data.folder), data.folder.name))


if __name__ == "__main__":
    assert ctrzoo.__version__ == "0.1.0", "run this with the code of version 0.1.0"
    prepared = write_prepared(HERE / "clicks")
    write_models(prepared, write_encoded(prepared))
    write_run(prepared)
