"""Settings of the documentation: `sphinx-build -W docs docs/_build`."""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from generated import relinked, write_pages  # noqa: E402

from ctrzoo import __version__  # noqa: E402

project, author, copyright = "ctrzoo", "the authors of ctrzoo", "the authors of ctrzoo, Apache-2.0"
release = version = __version__
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
]
# Keys are part of the page on schemas.
exclude_patterns = ["_build", "jupyter_execute", "look_up/generated/field_keys.md"]
html_theme = "furo"
html_title = f"ctrzoo {release}"
html_static_path = ["_static"]
html_css_files = ["wide_tables.css"]
html_copy_source = False
# Notebooks are committed with their outputs; `tests/test_notebooks.py` executes them.
nb_execution_mode = "off"
nb_merge_streams = True
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
# Docstrings write code in single backticks, as Markdown does.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_preserve_defaults = True
napoleon_use_rtype = False


suppress_warnings = ["misc.highlighting_failure"]  # NaN in JSON, which TensorFlow Serving takes
autodoc_inherit_docstrings = False


def setup(app):
    """Write the generated pages before Sphinx looks for pages, and mend links and docstrings on the way."""
    write_pages(HERE)
    app.connect("source-read", _relink)
    app.connect("autodoc-process-docstring", _divide, priority=400)  # before napoleon
    app.connect("autodoc-skip-member", _skip)


def _relink(app, name, contents):
    path = pathlib.Path(app.env.doc2path(name))
    if path.suffix == ".md" and "generated" not in path.parts:
        contents[0] = relinked(contents[0], path.parent, path.parent)


def _divide(app, what, name, thing, options, lines):
    """Make paragraphs of the lines `Source:`, `Cost:` and `Explanations:` of a model."""
    divided, inside = [], False
    for line in lines:
        starts = line.startswith(("Source: ", "Cost: ", "Explanations: "))
        inside = starts or (inside and bool(line.strip()))
        divided += ["", line] if starts else [line.strip() if inside else line]
    lines[:] = divided


def _skip(app, what, name, thing, skip, options):
    return True if name.startswith("set_") and name.endswith("_request") else None  # scikit-learn's
