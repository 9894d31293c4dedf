"""What a user meets before anything is trained: names, imports, the installed files."""

import configparser
import subprocess
import sys
import warnings
from importlib import metadata, resources
from pathlib import Path

import pytest

import actsearch

ROOT = Path(__file__).parent.parent


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_import_loads_neither_tensorflow_nor_mlflow():
    heavy = "{'tensorflow', 'keras', 'keras_tuner', 'mlflow', 'pandas', 'matplotlib'}"
    done = run_python(f"import actsearch, sys; print(sorted({heavy} & set(sys.modules)))")
    assert done.stdout.strip() == "[]", done.stderr


def test_listing_activations_loads_no_tensorflow():
    code = "from actsearch.cli.activations import run; run(None, None); import sys; print('tensorflow' in sys.modules)"
    assert run_python(code).stdout.strip().endswith("False")


def test_tensorflow_says_nothing_on_the_way_to_a_user():
    done = run_python("import actsearch; actsearch.ActivationTuner; import keras; print(keras.ops.ones(1))")
    assert done.returncode == 0
    assert done.stderr == ""


@pytest.mark.parametrize("name", actsearch.__all__)
def test_every_public_name_is_there_and_documented(name):
    found = getattr(actsearch, name)
    assert found is not None
    assert name == "__version__" or (found.__doc__ or "").strip()


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="actsearch"):
        actsearch.no_such_name  # noqa: B018


def test_the_search_spaces_are_installed():
    files = {file.name for file in resources.files("actsearch.search_spaces").iterdir()}
    assert {"relu_variants.yaml", "joint.yaml"} <= files


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
