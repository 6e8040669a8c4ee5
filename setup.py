"""Packaging: the five code folders install as the one namespace `ctrzoo`."""

import pathlib
import re

from setuptools import find_packages, setup

HERE = pathlib.Path(__file__).parent
FOLDERS = ("models", "data_pipelines", "estimators", "experiments")
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "ctrzoo" / "__init__.py").read_text(encoding="utf-8")).group(1)


def packages():
    """Name every package under its place in the namespace."""
    nested = [f"ctrzoo.{name}" for folder in FOLDERS for name in (folder, *_inside(folder))]
    return ["ctrzoo", *(f"ctrzoo.{name}" for name in find_packages("ctrzoo")), *nested]


def _inside(folder):
    return [f"{folder}.{name}" for name in find_packages(folder)]


TEST = ["pytest>=8.0", "ruff>=0.9", "jax>=0.10.2", "pytest-xdist>=3.8", "hypothesis>=6.130"]
SEARCH = ["optuna>=5.0"]
MLFLOW = ["mlflow-skinny>=3.1"]
SKLEARN = ["scikit-learn>=1.6"]
ONNX = ["tf2onnx>=1.17", "onnx>=1.20", "onnxruntime>=1.23"]
DOCS = [
    "sphinx>=9.0",
    "furo>=2025.12",
    "myst-nb>=1.4",
    "sphinx-copybutton>=0.5.2",
    "sphinx-design>=0.8",
    "ipykernel>=7.4",
    "nbclient>=0.11",
]
SPARK = ["pyspark>=4.0"]
PATHS = ["universal-pathlib>=0.3.10"]  # with fsspec's `memory://`, a store for tests
STORES = [*PATHS, "s3fs>=2026.9", "gcsfs>=2026.10"]
DEV = ["pyright[nodejs]>=1.1.414", "pre-commit>=4.0"]

setup(
    name="ctrzoo",
    version=VERSION,
    description="Click-through-rate models on Keras 3: GraphFM, its baselines, their data, training, explanations",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=packages(),
    package_dir={"ctrzoo": "ctrzoo", **{f"ctrzoo.{folder}": folder for folder in FOLDERS}},
    package_data={"ctrzoo": ["py.typed"], "ctrzoo.experiments.published": ["*.csv"]},
    install_requires=[
        "tensorflow>=2.21",
        "tensorboard>=2.20",
        "keras>=3.15",
        "tensorflow-datasets>=4.9.10",
        "numpy>=2.0",
        "pandas>=2.2",
        "polars>=1.35",
        "pyarrow>=21.0",
        "google-crc32c>=1.5",
        "pyyaml>=6.0",
        "absl-py>=2.1",
        "matplotlib>=3.9",
        "scipy>=1.15",
        "rich>=13.7",
    ],
    extras_require={
        "search": SEARCH,
        "sklearn": SKLEARN,
        "mlflow": MLFLOW,
        "onnx": ONNX,
        "spark": SPARK,
        "stores": STORES,
        "test": [*TEST, *SEARCH, *SKLEARN, *PATHS],
        "docs": [*DOCS, *SEARCH, *SKLEARN],
        "dev": DEV,
    },
    entry_points={
        "console_scripts": [
            "ctrzoo-train = ctrzoo.experiments.train:run",
            "ctrzoo-bench = ctrzoo.experiments.benchmarks.bench:run",
            "ctrzoo-sweep = ctrzoo.experiments.sweep:run",
            "ctrzoo-search = ctrzoo.experiments.search:run",
            "ctrzoo-evaluate = ctrzoo.experiments.evaluate:run",
            "ctrzoo-explain = ctrzoo.experiments.explain:run",
            "ctrzoo-predict = ctrzoo.experiments.predict:run",
            "ctrzoo-export = ctrzoo.experiments.export:run",
            "ctrzoo-prepare = ctrzoo.experiments.prepare:run",
        ]
    },
)
