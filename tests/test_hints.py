"""Every public function has hints; `python -m tests.test_hints [path ...]` lists those that have none."""

import ast
import sys

import pytest

from tests.architecture import CHECKOUT, sources


def missing_hints(path):
    """Yield `line: name(argument)` of each argument or result of a public function without a hint."""
    tree = ast.parse((CHECKOUT / path).read_text(encoding="utf-8"))
    yield from _missing(tree.body, "")


def _missing(body, owner):
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from _missing(node.body, f"{node.name}.")
        elif isinstance(node, (ast.If, ast.Try)):
            yield from _missing(node.body, owner)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and is_public(node.name):
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            arguments += [argument for argument in (node.args.vararg, node.args.kwarg) if argument]
            static = any(isinstance(entry, ast.Name) and entry.id == "staticmethod" for entry in node.decorator_list)
            for index, argument in enumerate(arguments):
                is_self = owner and index == 0 and not static
                if argument.annotation is None and not is_self:
                    yield f"{node.lineno}: {owner}{node.name}({argument.arg})"
            if node.returns is None and node.name != "__init__":
                yield f"{node.lineno}: {owner}{node.name} -> result"


def is_public(name):
    return not name.startswith("_") or name in ("__init__", "__call__")


@pytest.mark.parametrize("path", sources(), ids=str)
def test_public_functions_have_hints(path):
    assert list(missing_hints(path)) == []


def test_a_missing_hint_is_found():
    tree = ast.parse("class A:\n    def f(self, x, y: int): ...\ndef _g(x): ...\ndef h(z: int) -> int: ...\n")
    assert list(_missing(tree.body, "")) == ["2: A.f(x)", "2: A.f -> result"]


if __name__ == "__main__":
    for path in sources():
        if not sys.argv[1:] or str(path).startswith(tuple(sys.argv[1:])):
            for entry in missing_hints(path):
                print(f"{path}:{entry}")
