"""README and the site: commands parse, links lead somewhere, quoted messages exist, and every block of code runs.

What is run trains for two epochs, one execution and two trials at most: a page promises that its code works, not a
score.
"""

import ast
import doctest
import functools
import importlib
import inspect
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
import typer

from actsearch.cli.app import app
from tests.helpers.pages import PAGES, ROOT, blocks_of, commands_of

BLOCKS = [block for page in PAGES for block in blocks_of(page)]
GENERATED = re.compile(r"^reference/")  # made by docs/scripts, checked by `mkdocs build --strict`
MAX_WORDS = 900
SHORT = {"epochs": 2, "executions": 1}


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text("utf-8").split()) <= MAX_WORDS


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_code_is_valid(page):
    for block in blocks_of(page):
        if block.language in ("python", "setup"):
            ast.parse(block.code, f"{block.page}:{block.line}")
        elif block.language == "json":
            json.loads(block.code)


def test_commands_have_the_options_that_the_program_has():
    group = typer.main.get_command(app)
    context = group.make_context("actsearch", ["search"])
    shown = [
        (f"{block.page}:{block.line}", shlex.split(command.partition(">")[0]))
        for block in BLOCKS
        if block.language == "bash"
        for command in commands_of(block.code)
        if command.startswith("actsearch ")
    ]
    assert len(shown) > 30
    for where, (_, name, *arguments) in shown:
        if name.startswith("--"):
            continue
        try:
            group.commands[name].make_context(name, arguments, parent=context)
        except click.ClickException as error:
            pytest.fail(f"{where}: actsearch {name} {shlex.join(arguments)}: {error.format_message()}")


def test_search_spaces_that_are_named_exist():
    from actsearch.spaces import load_space

    names = {name for b in BLOCKS if b.language == "python" for name in re.findall(r'space="(\w+)"', b.code)}
    assert len(names) > 3
    for name in names:
        load_space(name)


def test_scripts_that_are_named_exist():
    for page in PAGES:
        text = page.read_text("utf-8")
        for path in re.findall(r"\b(?:benchmarks|examples|search_spaces)/[\w./-]+\.(?:py|yaml|csv|ipynb)", text):
            assert (ROOT / path).exists(), f"{named(page)}: {path}"


@pytest.fixture
def generators(monkeypatch):
    """The scripts that make the reference."""
    monkeypatch.syspath_prepend(ROOT / "docs" / "scripts")
    return lambda name: importlib.import_module(name)


def test_the_reference_has_every_public_name_where_it_is_defined(generators):
    import actsearch

    pages = generators("namespace_pages")
    assert set(pages.NAMESPACES) - {"", "data"} == {
        name for name in actsearch.__all__ if inspect.ismodule(getattr(actsearch, name))
    }
    for namespace in pages.NAMESPACES:
        module = getattr(actsearch, namespace, None) if namespace else actsearch
        module = module or importlib.import_module(f"actsearch.{namespace}")
        found = pages.targets(namespace)
        for name, target in found.items():
            home, _, attribute = target.rpartition(".")
            assert getattr(importlib.import_module(home), attribute) is getattr(module, name), target
        names = getattr(module, "__all__", found)
        objects = {n for n in names if inspect.isclass(getattr(module, n)) or inspect.isfunction(getattr(module, n))}
        assert objects <= set(found), namespace


def test_the_reference_has_every_command_and_every_activation(generators, monkeypatch):
    from actsearch.activations.catalogue import ENTRIES

    page = generators("command_page").command_page()
    for name in ("search", "resume", "report", "export", "advise", "ui", "sync", "activations", "spaces"):
        assert f"## actsearch {name}\n" in page
    assert "| `--time-budget` |" in page
    pages = generators("activation_pages")
    assert pages.picture("selu").startswith(b"<?xml")
    monkeypatch.setattr(pages, "picture", str.encode)  # drawing them all takes seconds; `mkdocs build` does
    made = dict(pages.activation_pages())
    catalogue = made["reference/catalogue.md"]
    for entry in ENTRIES:
        assert f"### {entry.name}\n" in catalogue
        assert made[f"reference/activations/{entry.name}.svg"] == entry.name.encode()


def anchors_of(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.M | re.S), re.M)
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", heading.lower()).strip()) for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", page.read_text("utf-8"), flags=re.M | re.S)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?:|mailto:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if target.is_relative_to(ROOT / "docs") and GENERATED.match(str(target.relative_to(ROOT / "docs"))):
            continue
        assert target.exists(), f"{named(page)}: {link}"
        if anchor and target.suffix == ".md":
            assert anchor in anchors_of(target), f"{named(page)}: {link}"


def texts_in_the_package() -> str:
    """All strings of the package in one text; what f-strings insert is a zero byte."""
    found = []
    for path in (ROOT / "actsearch").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr):
                found.append("".join(str(getattr(part, "value", "\0")) if isinstance(part, ast.Constant) else "\0" for part in node.values))  # fmt: skip
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return " \n ".join(" ".join(text.split()) for text in found)


def test_messages_of_troubleshooting_are_those_of_the_program():
    known = texts_in_the_package()
    page = ROOT / "docs" / "troubleshooting.md"
    messages = re.findall(r"^\*\*`(.+?)`", page.read_text("utf-8"), re.M)
    assert len(messages) > 20
    for message in messages:
        if message.startswith("Could not locate class"):  # Keras's own
            continue
        for piece in re.split(
            r"\.\.\.|'[^']*'|\b(?:val_\w+|torch|loss|nan|ledger\.sqlite|per_layer|\d[\d.]*)\b", message
        ):
            piece = piece.strip(" .?:")
            assert len(piece.split()) < 3 or piece in known, f"{piece!r} of {message!r}"


def shortened(method):
    """Wraps the constructor of the tuner: few epochs, few executions, two trials, no MLflow unless it is asked for."""
    signature = inspect.signature(method)

    @functools.wraps(method)
    def made(self, *arguments, **options):
        from actsearch.tuning.allocation import Race

        given = signature.bind(self, *arguments, **options).arguments
        is_race = given.get("allocation") == "race" or isinstance(given.get("allocation"), Race)
        if is_race:
            options["allocation"] = Race(3)
            options.pop("executions", None)
        elif given.get("executions_per_trial") is None and isinstance(given.get("allocation", ""), str):
            options["executions"] = min(given.get("executions") or SHORT["executions"], SHORT["executions"])
        if given.get("epochs") is not None:
            options["epochs"] = min(given["epochs"], SHORT["epochs"])
        if given.get("oracle") is None:
            options["max_trials"] = 2
        options |= {"verbose": 0, "tracking": given.get("tracking") or False}
        return method(self, *arguments, **options)

    return made


def shortened_search(method):
    @functools.wraps(method)
    def search(self, *arguments, **options):
        if self._asked_for["epochs"] is None:
            options["epochs"] = min(options.get("epochs") or SHORT["epochs"], SHORT["epochs"])
        return method(self, *arguments, **options)

    return search


@pytest.fixture
def short(monkeypatch):
    """Searches are short, and MLflow is written only where a page is about it."""
    from actsearch.tuning.tuner import ActivationTuner

    monkeypatch.setattr(ActivationTuner, "__init__", shortened(ActivationTuner.__init__))
    monkeypatch.setattr(ActivationTuner, "search", shortened_search(ActivationTuner.search))


def run_command(command: str, program, folder: Path) -> None:
    """Runs a command line of actsearch; `DIR` is the last search here. Other programs are not run."""
    line, _, target = command.partition(" > ")
    searches = sorted((folder / "actsearch-runs").glob("*"), key=lambda path: path.stat().st_mtime)
    words = [str(searches[-1]) if word == "DIR" and searches else word for word in shlex.split(line)]
    if words[0] != "actsearch" or words[1] == "ui" or "DIR" in words:
        return
    status, out, err = program(*words[1:])
    assert status == 0, f"{command}: {err or out}"
    if target:
        Path(target.strip()).write_text(out, "utf-8")


def run_session(code: str, namespace: dict, where: str) -> None:
    """Runs a session of Python and compares what it shows."""
    test = doctest.DocTestParser().get_doctest(code, namespace, where, where, 0)
    test.globs = namespace
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    runner = doctest.DocTestRunner(optionflags=flags, verbose=False)
    shown: list[str] = []
    runner.run(test, out=shown.append, clear_globs=False)
    assert not runner.failures, "".join(shown)


RUN = [page for page in PAGES if any(b.is_run and b.language in ("python", "pycon") for b in blocks_of(page))]
# Elsewhere the options of commands are checked, and nothing is run: the same searches are run in Python there.
WITH_COMMANDS = ("README.md", "docs/get-started.md", "docs/guides/ci.md")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*:UserWarning:keras")
@pytest.mark.parametrize("page", RUN, ids=named)
def test_blocks_run(page, short, program, own_register, tmp_path, capsys, monkeypatch):
    import matplotlib as mpl

    mpl.use("Agg")
    monkeypatch.syspath_prepend(tmp_path)
    namespace: dict = {"__name__": "__page__"}
    printed = ""
    for block in blocks_of(page):
        where = f"{block.page}:{block.line}"
        if block.note == "output":
            assert block.code.split() == printed.split(), f"{where}: the block before prints\n{printed}"
        if not block.is_run:
            continue
        if block.note.startswith("file:"):
            Path(block.note.removeprefix("file:").strip()).write_text(block.code, "utf-8")
        elif block.language in ("python", "setup"):
            padded = "\n" * (block.line - 1) + block.code
            capsys.readouterr()
            exec(compile(padded, str(ROOT / block.page), "exec"), namespace)
            printed = capsys.readouterr().out
        elif block.language == "pycon":
            run_session(block.code, namespace, where)
        elif block.language == "bash" and block.page in WITH_COMMANDS:
            for command in commands_of(block.code):
                run_command(command, program, tmp_path)
    sys.modules.pop("my_model", None)


@pytest.mark.parametrize("name", ["coverage.png", "same_work.png"])
def test_pictures_of_benchmarks_are_those_of_the_results(name):
    shown, made = ROOT / "docs" / "pictures" / name, ROOT / "benchmarks" / "results" / name
    assert shown.read_bytes() == made.read_bytes(), f"copy {made} to {shown}"


NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_has_its_outputs(path):
    cells = [cell for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert sum(bool(cell["outputs"]) for cell in cells) > len(cells) / 2
    assert not [o for cell in cells for o in cell["outputs"] if o["output_type"] == "error"]


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, short, monkeypatch):
    import matplotlib as mpl

    mpl.use("Agg")
    monkeypatch.syspath_prepend(ROOT / "docs" / "scripts")
    from run_notebook import run_cells

    notebook = json.loads(path.read_text("utf-8"))
    run_cells(notebook)
    assert [cell["outputs"] for cell in notebook["cells"] if cell["cell_type"] == "code"][-1]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site that mkdocs builds."""
    pytest.importorskip("mkdocs", reason='the site needs python -m pip install -e ".[docs]"')
    folder = tmp_path_factory.mktemp("docs") / "site"
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
def test_the_site_builds_and_loads_nothing_from_the_network(site):
    for page in site.rglob("*.html"):
        loaded = re.findall(r"<(?:script|img|iframe)[^>]+src=\"?(https?://[^\"\s>]+)", page.read_text("utf-8"))
        loaded += re.findall(r"<link[^>]+rel=\"?(?:stylesheet|preconnect)\"?[^>]+(https?://[^\"\s>]+)", page.read_text("utf-8"))  # fmt: skip
        assert not loaded, page.name


QUESTIONS = {  # what a user types, and the page with the answer
    "dying relu": "which-activation/",
    "which activation for regression output": "which-activation/",
    "selu initializer": "which-activation/",
    "transformer": "which-activation/",
    "learning rate": "which-activation/",
    "resume a search": "guides/resume/",
    "tf.data": "cookbook/",
    "mixed precision": "cookbook/",
    "early stopping": "cookbook/",
    "add my own activation": "guides/own-activations/",
    "undecided": "guides/verdict/",
    "how many executions": "guides/verdict/",
    "best model": "guides/verdict/",
    "MLflow remote server": "guides/mlflow/",
    "ray cluster": "cluster/",
    "subclassed model": "guides/existing-models/",
    "KerasTuner": "guides/existing-models/",
    "custom search space yaml": "guides/search-spaces/",
    "training time cost": "guides/cost/",
    "time budget": "guides/ci/",
    "GPU": "installing/",
    "out of memory": "troubleshooting/",
    "loss is nan": "troubleshooting/",
}


@pytest.mark.slow
def test_the_search_of_the_site_finds_the_right_page_among_the_first_three(site):
    pytest.importorskip("lunr", reason='the site needs python -m pip install -e ".[docs]"')
    from tests.helpers.site_search import SiteSearch

    search = SiteSearch(site / "search" / "search_index.json")
    found = {question: search.pages(question)[:3] for question in QUESTIONS}
    assert not {question: pages for question, pages in found.items() if QUESTIONS[question] not in pages}
