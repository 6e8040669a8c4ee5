"""The snippets of the README and of `docs/` run as they stand, their commands exist, their links lead somewhere.

Snippets marked `py` instead of `python` need what a test lacks, such as a cluster.
"""

import importlib
import pathlib
import re
import shlex

import keras
import pytest

from ctrzoo.data_pipelines import DATASETS, options_of
from ctrzoo.experiments import catalog
from ctrzoo.experiments.settings import PLAIN

CHECKOUT = pathlib.Path(__file__).resolve().parents[1]
PAGES = sorted(
    path
    for folder in ("", "docs", "serving", "models", "experiments")
    for path in (CHECKOUT / folder).glob("**/*.md" if folder else "*.md")
    if not {"generated", "_build", "runs"} & set(path.parts)
)
TEXTS = {path.relative_to(CHECKOUT).as_posix(): path.read_text(encoding="utf-8") for path in PAGES}
SNIPPETS = [
    pytest.param(snippet, id=f"{name}-{number}")
    for name, text in TEXTS.items()
    for number, snippet in enumerate(re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL))
]
COMMANDS = sorted(
    {
        command
        for text in TEXTS.values()
        for block in re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL)
        for command in re.findall(r"(?:^|&& )(ctrzoo-.*?)(?= && |$)", block.replace("\\\n", ""), flags=re.MULTILINE)
    }
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def test_there_is_something_to_check():
    assert len(SNIPPETS) >= 3 and len(COMMANDS) >= 15 and "docs/use/own_table.md" in TEXTS


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_snippet(snippet, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(1)
    assert len([line for line in snippet.splitlines() if line and not line.startswith(("import", "from"))]) <= 12
    exec(compile(snippet, "README.md", "exec"), {})
    if "test AUC" in snippet:
        assert float(re.search(r"test AUC ([\d.]+)", capsys.readouterr().out).group(1)) > 0.55
    elif "GridSearchCV" in snippet:
        assert "{'hyperparameters': {'embedding_dim': " in capsys.readouterr().out
    elif "clicks.keras" in snippet:
        assert keras.models.load_model("clicks.keras").name == "deepfm"


@pytest.mark.parametrize("command", COMMANDS)
def test_the_flags_of_a_command_exist(command):
    words = shlex.split(command, comments=True)
    module = {"bench": "benchmarks.bench"}.get(name := words[0].removeprefix("ctrzoo-"), name)
    flags = importlib.import_module(f"ctrzoo.experiments.{module}").FLAGS
    settings = {"dataset", *PLAIN, *(key for name in DATASETS for key in options_of(name))}
    settings |= {key for model in catalog.model_names() for key in catalog.hyperparameter_names(model)}
    for word, following in zip(words[1:], [*words[2:], ""], strict=False):
        if word.startswith("--"):
            flag, _, value = word.removeprefix("--").partition("=")
            assert flag in flags, f"{word} of {command}"
            if flag == "set":
                key = (value or following).partition("=")[0]
                assert key in settings, command


@pytest.mark.parametrize("name", TEXTS)
def test_links(name):
    page = CHECKOUT / name
    for target in LINK.findall(re.sub(r"```.*?```", "", TEXTS[name], flags=re.DOTALL)):
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        file = (page.parent / path).resolve() if path else page
        assert file.exists() or "generated" in file.parts, f"{target} in {name}"
        if anchor and file.suffix == ".md" and file.is_file():
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
            anchors = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
            assert anchor in anchors, f"{target} in {name}"


def test_commands_are_the_ones_of_setup_and_ci():
    readme = TEXTS["README.md"]
    assert len(readme.splitlines()) <= 120
    commands = re.findall(r"```bash\n(pip install .*?)\n```", readme)
    assert commands[:2] == ["pip install -e . && ctrzoo-train", 'pip install -e ".[test]" && python -m pytest']
    assert "ctrzoo-train = ctrzoo.experiments.train:run" in (CHECKOUT / "setup.py").read_text(encoding="utf-8")
    ci = (CHECKOUT / ".ci" / "run").read_text(encoding="utf-8")
    assert "python -m pytest" in ci and commands[2].partition(" && ")[2] in ci


@pytest.mark.parametrize(
    ("name", "cards"),
    [("README.md", "models/README.md"), ("docs/understand/others.md", "../look_up/generated/models.md")],
)
def test_the_number_of_models_is_that_of_the_zoo(name, cards):
    link = f"[{len(list(catalog.model_names()))}]({cards})"
    assert link in TEXTS[name], f"the zoo has another number of models: write {link} in {name}"
