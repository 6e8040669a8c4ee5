"""Programs in processes of their own, forked from one that has imported TensorFlow already.

Importing TensorFlow takes about four seconds of processor time, often longer than what a test of a program does. A
forked process is a process like any other: it has its own folder, environment, streams and exit code, and it can be
killed at any moment. What a fresh interpreter does first is not seen here. Tests of startup messages, of what is
imported and of peak memory start the interpreter itself.
"""

import multiprocessing
import os
import pathlib
import runpy
import signal
import subprocess
import sys
import tempfile

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.preloaded"])


class Program:
    """A running program.

    Args:
        what: The name of a module, which runs as with `python -m`; or source text, which runs as with `python -c`.
        *arguments: Its arguments.
        folder: The folder that it starts in.
        standard_input: What it reads from the standard input: bytes.
        **environment: Variables that its environment has besides those of this process.
    """

    def __init__(self, what, *arguments, folder, standard_input=b"", **environment):
        self._streams = tempfile.TemporaryDirectory()
        paths = [pathlib.Path(self._streams.name, name) for name in ("input", "output", "errors")]
        for path, content in zip(paths, (standard_input, b"", b""), strict=True):
            path.write_bytes(content)
        self._output, self._errors = paths[1:]
        chosen = {**os.environ, **environment}
        self.args = [str(argument) for argument in arguments]
        self._process = CONTEXT.Process(target=_become, args=(what, self.args, str(folder), chosen, paths))
        self._process.start()

    @property
    def output(self):
        """What it has written to the standard output so far."""
        return self._output.read_text(encoding="utf-8")

    @property
    def errors(self):
        """What it has written to the standard error so far."""
        return self._errors.read_text(encoding="utf-8")

    def poll(self):
        """Return its exit code, negative if a signal ended it; None while it runs."""
        return self._process.exitcode

    def wait(self, timeout=300):
        """Wait for its end; return its exit code."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            self.kill()
            raise TimeoutError(f"The program had not ended after {timeout} s. It wrote: {self.errors}")
        return self._process.exitcode

    def send_signal(self, number):
        """Send a signal to it."""
        os.kill(self._process.pid, number)

    def kill(self):
        """Kill it, and wait until it is gone."""
        self.send_signal(signal.SIGKILL)
        self._process.join()


def run_program(what, *arguments, folder, standard_input=b"", **environment):
    """Run a program to its end, as `Program` does; return a `subprocess.CompletedProcess` of texts."""
    program = Program(what, *arguments, folder=folder, standard_input=standard_input, **environment)
    code = program.wait()
    return subprocess.CompletedProcess(program.args, code, program.output, program.errors)


def _become(what, arguments, folder, environment, streams):
    """Be the program, in the forked process."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # TMPDIR may be another one
    for number, path in enumerate(streams):
        descriptor = os.open(path, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_APPEND)
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdin = open(0, encoding="utf-8", closefd=False)
    sys.stdout, sys.stderr = (open(number, "w", 1, encoding="utf-8", closefd=False) for number in (1, 2))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the process that forks ignores it
    sys.argv = ["-c", *arguments]
    if "\n" in what:
        exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})
    else:
        runpy.run_module(what, run_name="__main__", alter_sys=True)
