"""Serve a SavedModel as TensorFlow Serving's REST API does, in a process in which ctrzoo and Keras cannot be imported.

`python rest_server.py` prints a port, then answers `POST /v1/models/FOLDER:predict` with the first version in a folder.
"""

import functools
import http.server
import json
import sys

for name in ("ctrzoo", "keras", "tf_keras"):
    sys.modules[name] = None  # type: ignore[assignment]  (an import raises ImportError)

import tensorflow as tf  # noqa: E402


@functools.cache
def loaded(folder):
    return tf.saved_model.load(f"{folder}/1")


def answer(model, request):
    """Return the answer to a request in the row format (`instances`) or the column format (`inputs`)."""
    function = model.signatures[request.get("signature_name", "serving_default")]
    specs = function.structured_input_signature[1]
    rows = request.get("instances")
    columns = request["inputs"] if rows is None else {key: [row[key] for row in rows] for key in rows[0]}
    if set(columns) != set(specs):
        raise ValueError(f"inputs {sorted(columns)}, expected {sorted(specs)}")
    tensors = {name: tf.constant(cells, specs[name].dtype) for name, cells in columns.items()}
    (output,) = function(**tensors).values()
    return {"outputs" if rows is None else "predictions": output.numpy().tolist()}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            name = self.path.removeprefix("/v1/models/").removesuffix(":predict")
            code, content = 200, answer(loaded(name), json.loads(body))
        except Exception as error:
            code, content = 400, {"error": str(error)}
        self.send_response(code)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def log_message(self, format, *args):
        pass


if __name__ == "__main__":
    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()
