"""A disk that is full, and a directory that cannot be written: said clearly, and nothing is lost."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
READY = """
import json, os, resource, sys
from pathlib import Path
import numpy as np
sys.path.insert(0, ROOT)
from tests.helpers.factories import execution
from tests.helpers.ledgers import ledger_with
from actsearch.errors import LedgerError, UsageError
from actsearch.ledger import Ledger
from actsearch.tuning.storage import prepare_directory
from actsearch.tuning.storage import load_weights, save_weights

def refused(call, *of, **options):
    try:
        call(*of, **options)
    except (LedgerError, UsageError) as error:
        return f"{type(error).__name__}: {error}"
    return None

folder = Path(FOLDER)
small, large = [np.ones(3)], [np.ones((500, 500))]
body = {"loss": (0.123456789,) * 2000}
"""
FULL = """
ledger = ledger_with(folder / "search", execution(1))
save_weights(ledger.directory, "0", small)
before = ledger.facts()

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

def fill_by_growth():
    limit(ledger.path.stat().st_size + 3000)

def fill_by_limit():
    limit(3000)

def fill_by_filling():
    size = 2**16
    with (folder / "ballast").open("wb", buffering=0) as ballast:
        while size:
            try:
                ballast.write(bytes(size))
            except OSError:
                size //= 2

relieve_by_growth = relieve_by_limit = lambda: limit(resource.RLIM_INFINITY)
relieve_by_filling = lambda: (folder / "ballast").unlink()

globals()[f"fill_by_{HOW}"]()
told = {
    "append": refused(ledger.append_execution, execution(2, history=body)),
    "weights": refused(save_weights, ledger.directory, "0", large),
    "create": refused(Ledger, folder / "other", create=True),
}
told["facts are kept"] = Ledger(folder / "search").facts() == before
told["weights are kept"] = np.array_equal(load_weights(ledger.directory, "0")[0], small[0])
told["left over"] = sorted(p.name for p in (folder / "search" / "weights").iterdir())
globals()[f"relieve_by_{HOW}"]()
ledger.append_execution(execution(2, history=body))
save_weights(ledger.directory, "0", large)
if told["create"]:
    Ledger(folder / "other", create=True)
told["goes on"] = Ledger(folder / "search").facts()[:-1] == before and len(load_weights(ledger.directory, "0")[0]) == 500
print(json.dumps(told))
"""
FORBIDDEN = """
ledger = ledger_with(folder / "search", execution(1))
before = ledger.facts()
(folder / "search" / "weights").mkdir()
ledger.path.chmod(0o444)
(folder / "search").chmod(0o555)
if os.geteuid() == 0:  # nothing is forbidden to root
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
told = {
    "append": refused(ledger.append_execution, execution(2)),
    "weights": refused(save_weights, ledger.directory, "0", small),
    "create": refused(Ledger, folder / "search" / "inside", create=True),
    "overwrite": refused(prepare_directory, folder / "search", "mine", overwrite=True),
    "inside": refused(prepare_directory, folder / "search" / "inside", "mine"),
    "empty": refused(prepare_directory, folder / "search" / "weights", "mine"),
    "is read": Ledger(folder / "search").facts() == before,
}
print(json.dumps(told))
"""


def told_by(script: str, folder: Path, *, before: tuple[str, ...] = (), **names: str) -> dict:
    """What a process of its own says that runs the script."""
    given = "".join(
        f"{name} = {value!r}\n" for name, value in {"ROOT": str(ROOT), "FOLDER": str(folder), **names}.items()
    )
    command = [*before, sys.executable, "-c", given + READY + script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def mounting(folder: Path) -> tuple[str, ...]:
    """The beginning of a command that sees a file system of 4 MiB in a folder, where this user may mount one."""
    script = f'mount -t tmpfs -o size=4m actsearch {folder} && exec "$@"'
    return ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh")


def may_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run([*mounting(Path(folder)), "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    "how",
    [
        pytest.param("growth", marks=pytest.mark.slow),
        "limit",
        *[pytest.param("filling", marks=pytest.mark.slow)] * may_mount(),
    ],
)
def test_a_disk_that_takes_no_more(tmp_path, how):
    """The system's limit on the size of files, met in a transaction and before it; and a file system that is full."""
    told = told_by(FULL, tmp_path, before=mounting(tmp_path) if how == "filling" else (), HOW=how)
    for what in ("append", "weights", *["create"] * (how != "growth")):
        assert told[what].startswith("LedgerError"), what
        assert ("the disk is full" if how == "filling" else "a limit on the size of files") in told[what]
        assert "Everything written before is intact" in told[what]
    assert told["facts are kept"]
    assert told["weights are kept"]
    assert told["left over"] == ["0.npz"]
    assert told["goes on"]


@pytest.fixture
def open_folder():
    """A folder that any user may enter, which pytest's own is not."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    (folder / "search").chmod(0o755)
    shutil.rmtree(folder)


def test_a_directory_that_cannot_be_written(open_folder):
    told = told_by(FORBIDDEN, open_folder)
    for what in ("append", "weights", "create"):
        assert told[what].startswith("LedgerError"), what
        assert "cannot be opened or written" in told[what]
        assert "writable for this user" in told[what]
    for what in ("overwrite", "inside", "empty"):
        assert told[what].startswith("UsageError"), what
        assert "Use another --directory" in told[what]
    assert told["is read"]
    assert os.listdir(open_folder / "search" / "weights") == []  # noqa: PTH208
