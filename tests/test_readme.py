"""The README's snippets run as they stand, and its commands exist."""

import pathlib
import re

import keras
import pytest

CHECKOUT = pathlib.Path(__file__).resolve().parents[1]
README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


@pytest.mark.parametrize("snippet", SNIPPETS, ids=["our data", "own frame", "scikit-learn"])
def test_snippet(snippet, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(1)
    assert len([line for line in snippet.splitlines() if line and not line.startswith(("import", "from"))]) <= 12
    exec(compile(snippet, "README.md", "exec"), {})
    if "test AUC" in snippet:
        assert float(re.search(r"test AUC ([\d.]+)", capsys.readouterr().out).group(1)) > 0.55
    elif "GridSearchCV" in snippet:
        assert "{'hyperparameters': {'embedding_dim': " in capsys.readouterr().out
    else:
        assert keras.models.load_model("clicks.keras").name == "deepfm"


def test_commands_are_the_ones_of_setup_and_ci():
    commands = re.findall(r"```bash\n(pip install .*?)\n```", README)
    assert commands == ["pip install -e . && ctrzoo-train", 'pip install -e ".[test]" && python -m pytest']
    assert "ctrzoo-train = ctrzoo.experiments.train:run" in (CHECKOUT / "setup.py").read_text(encoding="utf-8")
    assert "python -m pytest" in (CHECKOUT / ".ci" / "run").read_text(encoding="utf-8")
