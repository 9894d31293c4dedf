"""Objects by `package.module:name`, and the user's own traceback where their code fails."""

import sys
from pathlib import Path

import pytest

from actsearch._user_code import import_object, user_code
from actsearch.errors import DataError, ModelError, UsageError


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_modules_of_the_working_directory_come_first(folder: Path) -> None:
    (folder / "importing_mine.py").write_text("class Net:\n    def build(hp):\n        return hp\n")
    assert import_object("importing_mine:Net.build", "build function")(3) == 3
    assert str(folder) not in sys.path


def test_a_package_of_the_working_directory(folder: Path) -> None:
    (folder / "importing_package").mkdir()
    (folder / "importing_package" / "nets.py").write_text("build = len")
    assert import_object("importing_package.nets:build", "build function") is len


@pytest.mark.parametrize("target", ["", "json", ":dumps", "json:", "json:a b", "a-b:c", "json:1x", "a:b:c", "./a.py:b"])
def test_other_forms_are_refused(target: str) -> None:
    with pytest.raises(UsageError, match=r"does not name a build function: expected package\.module:function"):
        import_object(target, "build function")


def test_a_name_that_is_not_there_offers_the_nearest(folder: Path) -> None:
    (folder / "importing_near.py").write_text("def build_net(hp): ...")
    with pytest.raises(UsageError, match=r"importing_near has no build function 'buildnet'\. Did you mean 'build_net'"):
        import_object("importing_near:buildnet", "build function")
    with pytest.raises(UsageError, match=r"no module 'importing_near1' was found in .*Did you mean 'importing_near'"):
        import_object("importing_near1:build_net", "build function")


def test_a_module_that_fails_shows_its_own_traceback(folder: Path) -> None:
    (folder / "importing_fails.py").write_text("import json\nvalue = json.loads('{')\n")
    with pytest.raises(UsageError, match="importing_fails:value failed with JSONDecodeError") as error:
        import_object("importing_fails:value", "data function")
    told = str(error.value)
    assert 'importing_fails.py", line 2' in told
    assert "importing.py" not in told
    assert "frozen importlib" not in told


def test_a_module_that_needs_another_is_not_said_to_be_missing(folder: Path) -> None:
    (folder / "importing_needs.py").write_text("import importing_not_there\n")
    with pytest.raises(UsageError, match=r"failed with ModuleNotFoundError: No module named 'importing_not_there'"):
        import_object("importing_needs:x", "data function")


def test_a_syntax_error_shows_the_line(folder: Path) -> None:
    (folder / "importing_broken.py").write_text("def load(:\n")
    with pytest.raises(UsageError, match=r"failed with SyntaxError(.|\n)*importing_broken\.py\", line 1(.|\n)*load\(:"):
        import_object("importing_broken:load", "data function")


def test_errors_of_our_own_pass_and_others_become_what_was_asked_for() -> None:
    with pytest.raises(ModelError, match=r"^as it is$"), user_code("a:b", DataError):
        raise ModelError("as it is")
    with pytest.raises(DataError, match="a:b failed with OSError: gone"), user_code("a:b", DataError):
        raise OSError("gone")
    with pytest.raises(KeyboardInterrupt), user_code("a:b"):
        raise KeyboardInterrupt
