"""SavedModels in a process of their own, asked over HTTP."""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import urllib.error
import urllib.request

SERVER = pathlib.Path(__file__).parent / "rest_server.py"


@contextlib.contextmanager
def served(parent):
    """Serve the SavedModels in a folder; yield a function `(name, request) -> answer`."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, "-I", str(SERVER)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=parent, env=environment)
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())

        def ask(name, request):
            body = request if isinstance(request, bytes) else json.dumps(request).encode()
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models/{name}:predict", body) as response:
                    return json.load(response)
            except urllib.error.HTTPError as error:
                return json.load(error)

        yield ask
    finally:
        process.kill()
        process.wait()
