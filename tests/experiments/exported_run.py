"""Runs `ctrzoo-export` within a process, and reads SavedModels in a process that cannot import ctrzoo."""

import contextlib
import importlib.util
import io
import json
import subprocess
import sys

import pytest

from ctrzoo.experiments import export

needs_onnx = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("tf2onnx", "onnxruntime")),
    reason="tf2onnx or onnxruntime is not installed",
)
# Takes the body of a request on the standard input and answers as TensorFlow Serving does, with TensorFlow only.
SERVER = """
import json, sys
sys.modules["ctrzoo"] = sys.modules["keras"] = None  # importing them fails
import tensorflow as tf
function = tf.saved_model.load(sys.argv[1]).signatures[sys.argv[2]]
_, specs = function.structured_input_signature
rows = json.load(sys.stdin)["instances"]
inputs = {name: tf.constant([row[name] for row in rows], spec.dtype) for name, spec in specs.items()}
(output,) = function(**inputs).values()
print(json.dumps({"predictions": output.numpy().tolist()}))
"""


def run_export(*arguments):
    """Run `ctrzoo-export` in this process; return what it says."""
    values = export.FLAGS
    for name in values:
        values[name].unparse()
    values(["ctrzoo-export", *map(str, arguments)])
    messages = io.StringIO()
    with contextlib.redirect_stderr(messages):
        export.main(["ctrzoo-export"])
    return messages.getvalue()


def predicted_elsewhere(folder, rows, signature="serving_default"):
    """Return the predictions of a SavedModel for `[{input: cell}]`, in a process without ctrzoo and Keras."""
    command = [sys.executable, "-c", SERVER, str(folder), signature]
    body = json.dumps({"instances": rows})
    done = subprocess.run(command, input=body, capture_output=True, text=True, timeout=300, env={"PATH": "", **ENV})
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["predictions"]


ENV = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
