"""What the package never does: run code from a file, keep pickles, listen to the network, write where it should not."""

import ast
import os
import pickletools
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import actsearch
from actsearch.cli import ui
from actsearch.tracking.store import StoreAddress
from actsearch.tuning.storage import prepare_directory, save_weights
from tests.helpers.ledgers import whole_search

PACKAGE = Path(actsearch.__file__).parent
TREES = {str(path.relative_to(PACKAGE)): ast.parse(path.read_text("utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}
RUNS_TEXT = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "os.execv", "os.execvp", "code.interact"}
UNSAFE_READERS = {
    "yaml.load", "yaml.load_all", "yaml.full_load", "yaml.unsafe_load", "pd.read_pickle", "pandas.read_pickle", "pd.read_html", "pd.eval",
    "keras.config.enable_unsafe_deserialization", "keras.models.model_from_json", "np.fromfile", "np.save",
}  # fmt: skip
PICKLERS = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "copyreg"}
BETWEEN_OUR_PROCESSES = {"executors/payload.py"}  # bytes in a pipe to a child of our own, never a file
IMPORTS_BY_NAME = {"_user_code.py", "_lazy.py", "activations/activation.py"}
WRITES_MODES = {"os.chmod", "os.umask", "tempfile.mktemp"}


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    """Each call with its file and the dotted name of what is called."""
    for file, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield file, ast.unparse(node.func), node


def keywords(call: ast.Call) -> dict[str, str]:
    return {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords if keyword.arg}


def imported_names() -> Iterator[tuple[str, str, list[str]]]:
    """Each import with its file, the module, and the names that are taken from it."""
    for file, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                yield from ((file, alias.name, []) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield file, node.module or "", [alias.name for alias in node.names]


def test_the_source_is_seen():
    names = {name for _, name, _ in calls()}
    assert {"np.load", "np.savez", "keras.models.load_model", "subprocess.Popen"} <= names
    assert len(TREES) > 90


def test_no_text_is_run_as_code():
    assert [(file, name) for file, name, _ in calls() if name in RUNS_TEXT] == []


def test_no_reader_that_runs_what_it_reads():
    assert [(file, name) for file, name, _ in calls() if name in UNSAFE_READERS] == []


def test_yaml_is_read_by_the_safe_loader_only():
    used = {
        node.attr
        for tree in TREES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "yaml"
    }
    assert "SafeLoader" in used
    assert {name for name in used if "load" in name.lower()} <= {"SafeLoader", "safe_load"}
    assert not [names for file, module, names in imported_names() if module == "yaml" and names]


def test_arrays_are_read_and_written_without_pickle():
    """`np.savez` takes `allow_pickle` from NumPy 2 on: the one function that calls it refuses objects."""
    found = [keywords(call).get("allow_pickle") for _, name, call in calls() if name == "np.load"]
    assert len(found) >= 2
    assert set(found) == {"False"}
    writers = [file for file, name, _ in calls() if name in {"np.savez", "np.savez_compressed"}]
    assert writers == ["tuning/storage.py"]


def test_keras_files_are_loaded_in_safe_mode():
    found = [(file, keywords(call).get("safe_mode")) for file, name, call in calls() if name.endswith("load_model")]
    found = [(file, mode) for file, mode in found if file not in ("tuning/result.py", "tuning/tuner.py")]
    assert found
    assert {mode for _, mode in found} == {"True"}


def test_pickles_go_through_pipes_only():
    users = {file for file, module, _ in imported_names() if module.split(".")[0] in PICKLERS}
    assert users <= BETWEEN_OUR_PROCESSES
    writers = {"open", "write_bytes", "write_text"}
    for file in users:
        names = {name.split(".")[-1] for other, name, _ in calls() if other == file}
        assert not names & writers, file


def test_names_lead_to_code_in_one_place_only():
    """`_user_code.py` takes `package.module:name`; the others import from tables of our own."""
    users = {file for file, name, _ in calls() if name.split(".")[-1] == "import_module"}
    assert {file for file in users if not file.endswith("__init__.py")} == IMPORTS_BY_NAME


def test_no_shell_and_no_command_in_one_text():
    for file, name, call in calls():
        assert keywords(call).get("shell", "False") == "False", file
        if name in {"subprocess.run", "subprocess.Popen"}:
            assert isinstance(call.args[0], ast.List | ast.Name), f"{file}: {ast.unparse(call)}"


def test_modes_of_files_are_left_to_the_umask():
    """Save where Ray writes its token: that is nobody else's."""
    found = {(file, name) for file, name, _ in calls() if name in WRITES_MODES or name.endswith(".chmod")}
    assert found == {("executors/_ray_cluster.py", "os.umask")}


def test_no_text_of_the_source_is_an_open_address():
    texts = {
        n.value
        for tree in TREES.values()
        for n in ast.walk(tree)
        if isinstance(n, ast.Constant) and isinstance(n.value, str)
    }
    assert not {text for text in texts if "0.0.0.0" in text or text == "::"}


def test_the_ui_listens_on_this_machine_only(tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr(ui.subprocess, "Popen", lambda command, **options: started.append((command, options)))
    (tmp_path / "mlflow.db").touch()
    ui._start(StoreAddress(f"sqlite:///{tmp_path / 'mlflow.db'}", "actsearch"), 5001)
    command, options = started[0]
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert "shell" not in options


@pytest.fixture(params=[0o077, 0o027, 0o022])
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_files_of_a_search_have_the_users_umask(tmp_path, umask):
    folder = prepare_directory(tmp_path / "search", "mine")
    whole_search(folder)
    save_weights(folder, "0", [np.ones(2)])
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) == 2
    for path in [folder, *folder.rglob("*")]:
        assert not stat.S_IMODE(path.stat().st_mode) & umask, path
        assert path.stat().st_uid == os.getuid()


def is_pickle(content: bytes) -> bool:
    """Whether these bytes are a pickle to its end."""
    try:
        return len(list(pickletools.genops(content))) > 1
    except Exception:  # noqa: BLE001  whatever the reader says, it is none
        return False


def test_what_is_written_is_no_pickle(tmp_path):
    assert is_pickle(b"\x80\x04]\x94.")
    whole_search(tmp_path)
    save_weights(tmp_path, "0", [np.ones(2)])
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or not is_pickle(path.read_bytes())
    with pytest.raises(ValueError, match="arrays of objects are not stored: arr_0"):
        save_weights(tmp_path, "1", [np.array([{}])])
