"""What a user meets before anything is trained: names, imports, the installed files."""

import configparser
import inspect
import operator
import re
import runpy
import subprocess
import sys
import warnings
from importlib import metadata, resources
from pathlib import Path
from types import UnionType

import pytest

import actsearch
from actsearch import _startup

ROOT = Path(__file__).parent.parent


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_import_loads_neither_tensorflow_nor_mlflow():
    heavy = "{'tensorflow', 'keras', 'keras_tuner', 'mlflow', 'pandas', 'matplotlib'}"
    done = run_python(f"import actsearch, sys; print(sorted({heavy} & set(sys.modules)))")
    assert done.stdout.strip() == "[]", done.stderr


def test_a_result_is_loaded_and_shown_without_tensorflow_or_mlflow():
    code = "import actsearch, sys; actsearch.load_result; actsearch.SearchResult; actsearch.analysis.judge;"
    code += "actsearch.reports.text_report; actsearch.errors.UsageError; actsearch.allocation.Race;"
    done = run_python(f"{code} print({{'tensorflow', 'keras', 'mlflow', 'pandas'}} & set(sys.modules))")
    assert done.stdout.strip() == "set()", done.stderr


def test_listing_activations_loads_no_tensorflow():
    code = "from actsearch.cli.activations import activations; activations(None, None); import sys; print('tensorflow' in sys.modules)"
    assert run_python(code).stdout.strip().endswith("False")


def test_tensorflow_says_nothing_on_the_way_to_a_user():
    done = run_python("import actsearch; actsearch.ActivationTuner; import keras; print(keras.ops.ones(1))")
    assert done.returncode == 0
    assert done.stderr == ""


ROOMS = ("activations", "allocation", "analysis", "diagnostics", "errors", "executors", "layers", "reports", "spaces", "swap",
         "testing", "visualization")  # fmt: skip


def documentation(found) -> str:
    """The text that belongs to an object itself: a value has none of its own, but that of its type."""
    if not (inspect.ismodule(found) or inspect.isclass(found) or inspect.isroutine(found)):
        return ""
    return (found.__doc__ or "").strip()


def public_names():
    """The names of the package, and those of its rooms."""
    for name in actsearch.__all__:
        yield name
        if name in ROOMS:
            yield from (f"{name}.{inner}" for inner in getattr(getattr(actsearch, name), "__all__", ()))


@pytest.mark.parametrize("name", list(public_names()))
def test_every_public_name_is_there_and_documented(name):
    found = operator.attrgetter(name)(actsearch)
    assert inspect.ismodule(found) == (name in ROOMS)
    assert documentation(found) or isinstance(found, tuple | int | str | frozenset | UnionType), name


def test_a_function_without_a_docstring_would_be_found(monkeypatch):
    monkeypatch.setattr(actsearch.search, "__doc__", None)
    assert inspect.isfunction(actsearch.search)
    assert documentation(actsearch.search) == ""


def test_help_shows_the_arguments_of_a_search():
    assert {"x", "y", "space", "seed"} <= inspect.signature(actsearch.search).parameters.keys()
    assert "Args:" in actsearch.search.__doc__


def test_return_types_and_errors_are_reachable_from_the_package():
    for name in ("errors.UsageError", "analysis.Comparison", "swap.SwapReport", "swap.SiteList", "diagnostics.Issue"):
        assert inspect.isclass(operator.attrgetter(name)(actsearch)), name
    assert actsearch.allocation.Race.__name__ == "Race"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="actsearch"):
        actsearch.no_such_name  # noqa: B018


def test_the_search_spaces_are_installed():
    files = {file.name for file in resources.files("actsearch.search_spaces").iterdir()}
    assert {"relu_variants.yaml", "joint.yaml"} <= files


def test_python_started_in_a_checkout_finds_its_search_spaces():
    """There the package has no folder of that name, whatever is installed elsewhere."""
    code = "import sys; sys.meta_path = [each for each in sys.meta_path if 'editable' not in str(each).lower()];"
    code += (
        "import actsearch.search_spaces, actsearch.spaces; print(actsearch.__file__, actsearch.search_spaces.__file__);"
    )
    code += "print(actsearch.load_space('relu_variants').names[0])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = [str(ROOT / "actsearch" / "__init__.py"), str(ROOT / "search_spaces" / "__init__.py"), "relu"]
    assert done.stdout.split() == found


def test_another_backend_is_refused_before_keras_is_imported(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    code = "import actsearch, sys\ntry: actsearch.search\nexcept ValueError as error: print(error)\nprint('keras' in sys.modules)"
    done = run_python(code)
    said, is_imported = done.stdout.splitlines()
    assert "backend torch here, but actsearch needs TensorFlow. Set KERAS_BACKEND=tensorflow" in said
    assert (is_imported, done.stderr) == ("False", "")


@pytest.mark.parametrize(
    ("kept", "expected"), [('{"backend": "jax"}', "jax"), ("{", "tensorflow"), (None, "tensorflow")]
)
def test_the_backend_is_what_keras_would_read(kept, expected, tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "keras")
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    if kept:
        (tmp_path / "keras.json").write_text(kept)
    assert _startup._keras_backend() == expected


def test_the_page_of_an_index_has_no_relative_links():
    page = runpy.run_path(str(ROOT / "setup.py"))["index_page"]((ROOT / "README.md").read_text("utf-8"))
    assert re.findall(r"\]\((?!https?:)", page) == []
    assert "\nGet started ·\nInstalling ·" in page
    assert "![" not in page


def test_every_package_is_listed_for_installation():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    listed = set(config["options"]["packages"].split())
    folders = {"actsearch"} | {
        f"actsearch.{path.parent.relative_to(ROOT / 'actsearch')}".replace("/", ".")
        for path in (ROOT / "actsearch").rglob("*.py")
        if path.parent != ROOT / "actsearch"
    }
    assert listed == folders | {"actsearch.search_spaces"}


def test_versions_agree():
    assert metadata.version("actsearch") == actsearch.__version__


def test_the_changelog_tells_of_this_version():
    assert f"## [{actsearch.__version__}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_warnings_are_errors():
    with pytest.raises(UserWarning, match="unheard of"):
        warnings.warn("unheard of", UserWarning, stacklevel=1)
