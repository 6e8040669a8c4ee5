"""The notebooks of `docs/learn` run from top to bottom, and their kept outputs are those of all cells."""

import json
import pathlib

import pytest

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "docs" / "learn"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def test_all_are_pages_of_the_documentation():
    index = (FOLDER / "index.md").read_text(encoding="utf-8")
    assert len(NOTEBOOKS) == 5 and all(f"\n{path.stem}\n" in index for path in NOTEBOOKS)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_cells_were_run_in_order_without_errors(path):
    cells = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert outputs and all(output["output_type"] != "error" for output in outputs)
    assert any("image/png" in output.get("data", {}) or "text/html" in output.get("data", {}) for output in outputs)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path, tmp_path):
    pytest.importorskip("ipykernel", reason='needs pip install -e ".[docs]"')
    nbformat = pytest.importorskip("nbformat", reason='needs pip install -e ".[docs]"')
    nbclient = pytest.importorskip("nbclient", reason='needs pip install -e ".[docs]"')
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
