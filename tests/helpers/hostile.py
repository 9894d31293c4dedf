"""Valid files to change, what a search does with a file, and a watch over it."""

import faulthandler
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import resources
from pathlib import Path

import keras
import keras_tuner
import numpy as np

from actsearch.data import load_data
from actsearch.errors import UsageError
from actsearch.spaces import choose, load_space
from actsearch.swap.user_model import load_user_model
from actsearch.tuning.storage import ROOT, prepare_directory
from tests.helpers.mutations import mutated, rezipped, saved, strange_npz

SECONDS = 10
SHIPPED = [
    file.read_bytes() for file in resources.files("actsearch.search_spaces").iterdir() if file.name.endswith("yaml")
]
ALL_FORMS = b"""name: mine
description: each form that a space may have
activations:
  - relu
  - leaky_relu: {slope: [0.01, 0.3]}
  - prelu: {slope: {min: 0.1, max: 0.5, step: 0.1}}
  - elu: {alpha: 1.5}
baseline: relu
sites: per_layer
matching: false
hyperparameters:
  learning_rate: {min: 1e-4, max: 1e-2, sampling: log}
  layers: {min: 1, max: 4}
  width: {min: 1, max: 64, step: 2, sampling: log}
  units: [32, 64]
  batch_norm: [true, false]
  optimizer: [adam, sgd]
  dropout: 0.1
"""
PETS = "age,colour,y\n" + "".join(f"{20 + i},{'rb'[i % 2]}d,{'cat' if i % 3 else 'dog'}\n" for i in range(30))
QUOTED = '"a b","c","y"\r\n' + "".join(f'"x,{i % 3}",{i},{i % 2 == 0}\r\n' for i in range(40))
NUMBERS = "a\tb\ty\n" + "".join(f"{i * 0.5}\t{i % 4}\t{i * 1.5}\n" for i in range(40))
X, Y = np.random.default_rng(0).normal(size=(30, 3)), np.arange(30) % 3
ARCHIVES = [
    saved(x=X, y=Y),
    saved(x=X, y=Y * 1.5),
    saved(x=X.astype("f4"), y=np.array(["a", "bc", "d"])[Y]),
    saved(x=(X[:, :, None] * 255).astype("u1"), y=Y.astype("u1")),
    saved(x_train=X, y_train=Y, x_test=X, y_test=Y),
    saved(X=X, y=np.eye(3)[Y]),
]
FILES = {
    "yaml": [(content, (mutated,)) for content in [*SHIPPED, *[ALL_FORMS] * 8]],
    "csv": [(text.encode(), (mutated,)) for text in (PETS, PETS.replace(",", ";"), QUOTED, NUMBERS)],
    "npz": [(content, (mutated, rezipped, strange_npz)) for content in ARCHIVES],
}


@cache
def files(ending: str) -> list[tuple[bytes, tuple[Callable, ...]]]:
    """Valid files of a kind, each with the ways to change it."""
    if ending != "keras":
        return FILES[ending]
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="relu"), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "net.keras")
        return [((Path(folder) / "net.keras").read_bytes(), (mutated, rezipped, rezipped))]


_allowed: list[str] = []
_written: list[str] = []


def _listen(event: str, arguments: tuple) -> None:
    """Python's own report of every file that is opened, made, moved or deleted."""
    if not _allowed:
        return
    paths = []
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        paths = [arguments[0]]
    elif event in {
        "os.mkdir",
        "os.remove",
        "os.rmdir",
        "os.rename",
        "os.link",
        "os.symlink",
        "os.truncate",
        "os.chmod",
    }:
        paths = [a for a in arguments[:2] if isinstance(a, str | bytes | os.PathLike)]
    for path in paths:
        if not isinstance(path, int) and not os.path.realpath(os.fsdecode(path)).startswith(_allowed[0]):
            _written.append(f"{event} {path!r}")


sys.addaudithook(_listen)


@contextmanager
def watched(folder: Path) -> Iterator[None]:
    """Fails where the block takes over 10 s or writes outside of the folder."""

    def hangs(*_: object) -> None:
        raise AssertionError(f"over {SECONDS} s")

    before = signal.signal(signal.SIGALRM, hangs)
    faulthandler.dump_traceback_later(6 * SECONDS, exit=True, file=sys.__stderr__)  # where only C code runs
    _allowed[:], began = [os.path.realpath(folder)], time.monotonic()
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        _allowed.clear()
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - began < SECONDS
    assert not _written, _written.pop()


def use_space(space: object) -> None:
    """What a search does with a space."""
    found = load_space(space)
    hp = keras_tuner.HyperParameters()
    found.register(hp)
    choose(hp, found, site="first")
    for parameter in hp.space:
        assert all(isinstance(parameter.prob_to_value(p), int | float | str | bool) for p in (0.0, 0.5, 0.999))
        assert len(list(parameter.values)) <= 1_000_001 if hasattr(parameter, "values") else True
    assert load_space(found.to_dict()) == found
    assert prepare_directory(None, found.name).resolve().parent == Path(ROOT).resolve()


def use_data(source: Path, target: str | None = None) -> None:
    """What a search does with data before it trains."""
    data = load_data(str(source), target=target)
    assert np.isfinite(data.x_train).all()
    assert np.isfinite(data.y_train).all()
    assert data.summary.encode()
    assert repr(data.describe()).encode()


def use(path: Path) -> bool:
    """Whether a file was accepted; any error but ours fails the test."""
    try:
        if path.suffix == ".yaml":
            use_space(path)
        elif path.suffix == ".keras":
            load_user_model(path)
        else:
            use_data(path, "y" if path.suffix == ".csv" else None)
    except UsageError as error:
        assert str(error)
        return False
    return True
