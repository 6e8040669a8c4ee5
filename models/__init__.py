"""The zoo: one file per model, and the registry that names them."""

import inspect
import numbers
from typing import Any

import numpy as np

from ctrzoo.model import CTRModel
from ctrzoo.schema import Schema
from ctrzoo.suggest import unknown

from .afm import AFM
from .afn import AFN
from .autofis import AutoFIS
from .autoint import AutoInt
from .bst import BST
from .cin import CIN
from .cross_net import CrossNet
from .dcn import DCN
from .dcn_v2 import DCNv2
from .deep_crossing import DeepCrossing
from .deepfm import DeepFM
from .dien import DIEN
from .din import DIN
from .dlrm import DLRM
from .dnn import DNN
from .eulernet import EulerNet
from .fcn import FCN
from .ffm import FFM
from .fibinet import FiBiNET
from .fignn import FiGNN
from .finalmlp import FinalMLP
from .finalnet import FinalNet
from .fm import FM
from .fmfm import FmFM
from .fnn import FNN
from .fwfm import FwFM
from .gdcn import GDCN
from .graphfm import GraphFM
from .hoafm import HoAFM
from .hofm import HOFM
from .interhat import InterHAt
from .lr import LR
from .masknet import MaskNet
from .nfm import NFM
from .pnn import PNN
from .poly2 import Poly2
from .pooled import Pooled
from .sign import SIGN
from .wide_deep import WideDeep
from .wukong import WuKong
from .xdeepfm import XDeepFM

MODELS = {
    "lr": LR,
    "poly2": Poly2,
    "fm": FM,
    "ffm": FFM,
    "fwfm": FwFM,
    "fmfm": FmFM,
    "afm": AFM,
    "nfm": NFM,
    "hofm": HOFM,
    "dnn": DNN,
    "fnn": FNN,
    "pnn": PNN,
    "wide_deep": WideDeep,
    "deepfm": DeepFM,
    "dlrm": DLRM,
    "deep_crossing": DeepCrossing,
    "fibinet": FiBiNET,
    "masknet": MaskNet,
    "afn": AFN,
    "cross_net": CrossNet,
    "dcn": DCN,
    "dcn_v2": DCNv2,
    "gdcn": GDCN,
    "fcn": FCN,
    "finalmlp": FinalMLP,
    "finalnet": FinalNet,
    "wukong": WuKong,
    "eulernet": EulerNet,
    "cin": CIN,
    "xdeepfm": XDeepFM,
    "autoint": AutoInt,
    "fignn": FiGNN,
    "interhat": InterHAt,
    "hoafm": HoAFM,
    "graphfm": GraphFM,
    "autofis": AutoFIS,
    "sign": SIGN,
    "pooled": Pooled,
    "din": DIN,
    "dien": DIEN,
    "bst": BST,
}

# Those that need a sequence in the schema. All others pool sequences as they pool multi-valued fields.
MODELS_OF_HISTORIES = ("pooled", "din", "dien", "bst")

# Hyperparameters that are one size, or a tuple of them.
SIZES = ("attention_units",)
# Those of which None is one more choice, next to the numbers.
OPTIONAL = ("rank",)


def build(name: str, schema: Schema, /, **hyperparameters: Any) -> CTRModel:
    """Build a model of the zoo.

    Args:
        name: A key of `MODELS`.
        schema: The `Schema` of the data.
        **hyperparameters: Arguments of the model; those left out take the model's defaults. `name=` gives the model
            another name than its key, `dtype=` the dtype policy of its layers, `loss=` another loss of its task,
            `negative_rate=` the share of the negative rows that training sees.

    Raises:
        ValueError: If the model or a hyperparameter is unknown (the message suggests the closest name), or if a
            hyperparameter's type differs from its default's.

    >>> from ctrzoo.schema import Field, Schema
    >>> build("fm", Schema([Field("user", vocabulary_size=9), Field("age", "numerical")])).name
    'fm'
    """
    if name not in MODELS:
        raise ValueError(unknown("model", name, MODELS))
    if not isinstance(schema, Schema):
        raise ValueError(f"`build` takes a `Schema`, such as `load(folder).schema`. Received: {type(schema).__name__}.")
    known = {**hyperparameters_of(name), "name": name, "dtype": None, "loss": None, "negative_rate": 1.0}
    hyperparameters = {key: _of_python(value) for key, value in hyperparameters.items()}
    for key, value in hyperparameters.items():
        if key not in known:
            raise ValueError(f"Model '{name}': {unknown('hyperparameter', key, known)}")
        wanted = _unmet(key, value, known[key])
        if wanted:
            raise ValueError(f"Model '{name}': `{key}` must be {wanted}. Received: {value!r}.")
    return MODELS[name](schema, **{"name": name, **hyperparameters})


def _of_python(value):
    """Convert NumPy numbers to Python numbers, also in tuples and lists: Keras rejects some, JSON rejects all."""
    if isinstance(value, (tuple, list)):
        return type(value)(map(_of_python, value))
    return value.item() if isinstance(value, np.generic) else value


def _unmet(key, value, default):
    """Say what a value should be, judging by the default; return None if it fits or only the model can check it."""
    if default is None or (value is None and key in OPTIONAL):
        return None
    if isinstance(default, bool):
        return None if isinstance(value, bool) else "True or False"
    if isinstance(default, int):
        several = key in SIZES and isinstance(value, (tuple, list)) and all(map(_is_size, value))
        return None if _is_size(value) or several else "a whole number of at least 1"
    if isinstance(default, float):
        fits = isinstance(value, numbers.Real) and not isinstance(value, bool) and float(value) >= 0
        return None if fits else "a number of at least 0"
    if isinstance(default, str):
        return None if isinstance(value, str) else "a text"
    if key.endswith("units") and not (isinstance(value, (tuple, list)) and all(map(_is_size, value))):
        return "a tuple of whole numbers of at least 1, such as (64, 64)"
    if not isinstance(value, (tuple, list)):
        return "a tuple"
    return "a tuple of at least one layer's size" if key == "units" and not value else None


def _is_size(value):
    return isinstance(value, numbers.Integral) and not isinstance(value, bool) and int(value) >= 1


def hyperparameters_of(name: str) -> dict[str, Any]:
    """Return the hyperparameters of a model with their defaults."""
    arguments = inspect.signature(MODELS[name].__init__).parameters.values()
    return {item.name: item.default for item in arguments if item.default is not item.empty and item.name != "dtype"}
