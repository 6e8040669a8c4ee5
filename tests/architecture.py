"""The rooms of the house and the imports between them; `python -m tests.architecture` prints them, floor by floor.

A room is a folder of modules, or a module that lies loose in a folder of rooms. A room stands on the floor above the
highest room that it imports, so that every import points down.
"""

import ast
import dataclasses
import pathlib

CHECKOUT = pathlib.Path(__file__).resolve().parents[1]
FOLDERS = ("ctrzoo", "models", "data_pipelines", "estimators", "experiments")


@dataclasses.dataclass(frozen=True)
class Import:
    """One import of the project by the project.

    Args:
        source: Path of the importing file, from the checkout.
        target: Path of the imported file, from the checkout.
        line: Line of the import.
    """

    source: str
    target: str
    line: int


def sources():
    """Return the paths of all source files, from the checkout."""
    return sorted(path.relative_to(CHECKOUT) for folder in FOLDERS for path in (CHECKOUT / folder).rglob("*.py"))


def room_of(path):
    """Return the room of a file.

    >>> room_of("ctrzoo/layers/cin.py"), room_of("ctrzoo/schema.py"), room_of("models/fm.py")
    ('ctrzoo/layers', 'ctrzoo/schema.py', 'models')
    """
    parts = pathlib.PurePath(path).parts
    if len(parts) > 2 and parts[1] == "configs":
        return "experiments/configs"
    if len(parts) > 2:
        return "/".join(parts[:2])
    return parts[0] if parts[0] == "models" else "/".join(parts)


def imported_names(path):
    """Yield the full name and the line of everything that a file imports, relative imports resolved."""
    parts = pathlib.PurePath(path).parts
    package = parts[:-1] if parts[0] == "ctrzoo" else ("ctrzoo", *parts[:-1])
    for node in ast.walk(ast.parse((CHECKOUT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*base, *filter(None, [node.module])))
            yield from ((f"{module}.{alias.name}", node.lineno) for alias in node.names)


def file_of(name):
    """Return the file that an imported name of the project lies in, from the checkout; None for other libraries."""
    parts = name.split(".")
    if parts[0] != "ctrzoo":
        return None
    parts = parts[1:] if len(parts) > 1 and parts[1] in FOLDERS[1:] else parts
    for length in range(len(parts), 0, -1):
        place = pathlib.PurePath(*parts[:length])
        for candidate in (place.with_suffix(".py"), place / "__init__.py"):
            if (CHECKOUT / candidate).is_file():
                return str(candidate)
    return None


def imports():
    """Return every `Import` of the project by itself."""
    found = []
    for path in sources():
        for name, line in imported_names(path):
            target = file_of(name)
            if target and target != str(path):
                found.append(Import(str(path), target, line))
    return found


def arrows(found, place=room_of):
    """Return which places each place imports, as a dictionary of sets."""
    graph = {place(path): set() for path in map(str, sources())}
    for each in found:
        source, target = place(each.source), place(each.target)
        if source != target:
            graph[source].add(target)
    return graph


def floors(graph):
    """Return the floor of each place, 0 for one that imports nothing.

    Raises:
        ValueError: If imports form a circle, with the places on it.

    >>> floors({"attic": {"hall", "cellar"}, "hall": {"cellar"}, "cellar": set()})
    {'cellar': 0, 'hall': 1, 'attic': 2}
    """
    known = {}

    def visit(place, above):
        if place in above:
            circle = [*above[above.index(place) :], place]
            raise ValueError(f"These import each other in a circle: {' -> '.join(circle)}.")
        if place not in known:
            below = [visit(target, [*above, place]) for target in sorted(graph[place])]
            known[place] = 1 + max(below, default=-1)
        return known[place]

    for place in graph:
        visit(place, [])
    return dict(sorted(known.items(), key=lambda item: (item[1], item[0])))


def drawing():
    """Return the house as text: its floors from the top, and what each room imports."""
    graph = arrows(imports())
    levels = floors(graph)
    count = sum(len(targets) for targets in graph.values())
    lines = [f"{len(graph)} rooms on {max(levels.values()) + 1} floors, {count} arrows, all pointing down, no circle."]
    for floor in range(max(levels.values()), -1, -1):
        lines.append(f"\nFloor {floor}")
        for room in [room for room, level in levels.items() if level == floor]:
            targets = sorted(graph[room], key=lambda target: (-levels[target], target))
            lines.append(f"  {room}" + (f" -> {', '.join(targets)}" if targets else ""))
    return "\n".join(lines)


if __name__ == "__main__":
    print(drawing())
