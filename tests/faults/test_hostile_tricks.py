"""The known tricks, each by itself: refused with what is wrong, at once, and nothing is written elsewhere."""

import json
import os
import sys
import zipfile

import numpy as np
import pytest

from actsearch._user_code import import_object
from actsearch.data import load_data, tables
from actsearch.errors import DataError, ModelError, SpaceError, UsageError
from actsearch.spaces import load_space
from actsearch.swap.user_model import load_user_model
from actsearch.tuning.storage import load_weights, prepare_directory, save_weights
from tests.helpers.hostile import ROOT, X, Y, files, watched
from tests.helpers.mutations import bomb, members_of, npy, saved, zipped


def deep(text: str) -> str:
    return text * (40_000 // len(text))


LAUGHS = "a: &a [x, x]\n" + "".join(f"{chr(i + 1)}: &{chr(i + 1)} [*{chr(i)}, *{chr(i)}]\n" for i in range(97, 122))
SPACES = {
    "aliases that unfold to billions": (LAUGHS, "aliases are not allowed"),
    "merged aliases": ("base: &b {x: 1}\nactivations: [relu]\nhyperparameters: {<<: *b}", "aliases are not allowed"),
    "deep lists": ("activations: " + deep("["), "cannot be read as YAML"),
    "deep maps": (deep("{a: "), "cannot be read as YAML"),
    "deep keys": (deep("? "), "cannot be read as YAML"),
    "deep blocks": ("\n".join(" " * i + "a:" for i in range(310)), "Unknown key 'a'|cannot be read as YAML"),
    "many names": ("activations: [" + deep("relu, ") + "]", "duplicate activation relu"),
    "many unknown names": ("activations: [" + deep("rleu, ") + "]", r"Unknown activation 'rleu'(.|\n)*and \d,\d{3} more"),
    "many keys": ("activations: [relu]\n" + "".join(f"k{i}: 1\n" for i in range(4000)), "and 3,990 more"),
    "many hyperparameters": ("activations: [relu]\nhyperparameters:\n" + "".join(f"  h{i}: 1\n" for i in range(101)), "at most 100"),
    "large": ("#" * 60_000, "over 50,000 bytes"),
    "a number of 40,000 digits": ("activations: [relu]\nsites: 0x" + "f" * 40_000, "too large to show"),
    "a number that is none": ("activations: [relu]\nhyperparameters: {a: 0x" + "f" * 3000 + "}", "numbers must be between"),
    "digits": ("activations: [relu]\nhyperparameters: {a: " + "9" * 5000 + "}", "cannot be read as YAML"),
    "base 60": ("activations: [relu]\nhyperparameters: {a: 1" + ":1" * 8_000 + "}", "numbers must be between"),
    "infinity": ("activations: [relu]\nhyperparameters: {a: {min: 1.0, max: .inf}}", "numbers must be between"),
    "not a number": ("activations: [{elu: {alpha: .nan}}]", "numbers must be between"),
    "a range without end": ("activations: [relu]\nhyperparameters: {a: {min: 1, max: 1000000000000}}", "over 1,000,000 values"),
    "a small step": ("activations: [relu]\nhyperparameters: {a: {min: 0.1, max: 0.2, step: 1e-300}}", "over 1,000,000 values"),
    "a log range without end": ("activations: [relu]\nhyperparameters: {a: {min: 1e-300, max: 1e299, sampling: log}}", "too wide"),
    "a log range of many": ("activations: [relu]\nhyperparameters: {a: {min: 1, max: 9, step: 1.000000001, sampling: log}}", "over 1,000,000"),
    "a list as a key": ("? [a, b]\n: c", "a key must be plain text"),
    "a map as a key": ("{{a: b}: c}", "a key must be plain text"),
    "a python object": ("activations: !!python/name:os.system ''", "tags are not allowed"),
    "a set": ("activations: !!set {relu}", "tags are not allowed"),
    "a bool that is none": ("matching: !!bool maybe", "tags are not allowed"),
    "a date that is none": ("name: 2024-02-30\nactivations: [relu]", "cannot be read as YAML"),
    "a NUL": ("activations: [relu]\nname: a\0b", "cannot be read as YAML"),
    "two documents": ("activations: [relu]\n---\nactivations: [elu]", "Expected plain YAML"),
    "a null key": ("activations: [relu]\n~: 1", "search space|hostile"),
    "KerasTuner's own names": ("activations: [relu]\nhyperparameters: {tuner/epochs: [1, 2]}", "names that start with tuner/ are reserved"),
}  # fmt: skip


@pytest.mark.parametrize("case", SPACES)
def test_tricks_in_a_search_space(tmp_path, case):
    text, says = SPACES[case]
    path = tmp_path / "hostile.yaml"
    path.write_text(text, "utf-8")
    with watched(tmp_path), pytest.raises(SpaceError, match=says) as error:
        load_space(path)
    assert "hostile.yaml" in str(error.value)
    assert len(str(error.value)) < 5000


def test_a_choice_may_be_called_after_what_is_no_number():
    space = load_space({"activations": ["relu"], "hyperparameters": {"norm": ["inf", "nan", "1e400"]}})
    assert space.hyperparameters["norm"].values == ("inf", "nan", "1e400")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_a_space_that_is_no_file(tmp_path, make):
    make(tmp_path / "hostile.yaml")
    with watched(tmp_path), pytest.raises(SpaceError, match="is not a file"):
        load_space(tmp_path / "hostile.yaml")


@pytest.mark.parametrize(
    "name", ["../../evil", "/etc/evil", "a/../../../evil", "..", "", "x" * 5000, "é" * 300, "a\nb", "c:\\d"]
)
def test_a_space_never_names_a_folder_elsewhere(tmp_path, name):
    space = load_space({"name": name, "activations": ["relu"]})
    with watched(tmp_path):
        folder = prepare_directory(None, space.name)
    assert folder.resolve().parent == tmp_path.resolve() / ROOT


@pytest.mark.parametrize("trial_id", ["../../evil", "/etc/evil", "..", "", ".", "a/b", "a%2Fb", "a\nb", "ü"])
def test_a_trial_never_names_a_file_elsewhere(tmp_path, trial_id):
    (tmp_path / "search").mkdir()
    with watched(tmp_path / "search"):
        save_weights(tmp_path / "search", trial_id, [np.ones(2)])
    assert load_weights(tmp_path / "search", trial_id)[0].tolist() == [1.0, 1.0]
    assert len(list((tmp_path / "search" / "weights").glob("*"))) == 1


def archive(**members: bytes) -> bytes:
    return zipped({f"{name}.npy": content for name, content in members.items()})


Y_FILE = npy((30,), "<i8", Y.astype("<i8").tobytes())
OVER_UNICODE = np.array([0x110000] * 30, "<u4").tobytes()
NPZ = {
    "a shape over its content": (archive(x=npy((10**15,)), y=Y_FILE), "cannot be read as npz"),
    "a shape over 64 bits": (archive(x=npy((2**62, 2**62)), y=Y_FILE), "cannot be read as npz"),
    "a shape below zero": (archive(x=npy((-30,), content=bytes(240)), y=Y_FILE), "cannot be read as npz"),
    "two shapes below zero": (archive(x=npy((-5, -6), content=bytes(240)), y=Y_FILE), "cannot be read as npz"),
    "no content of a large shape": (archive(x=npy((10**18, 0)), y=npy((10**18, 0))), "no features"),
    "a header of text": (archive(x=b"\x93NUMPY\x01\x00\x76\x00" + b"x" * 200, y=Y_FILE), "cannot be read as npz"),
    "a header that runs code": (archive(x=npy((30,), "<f8").replace(b"'<f8'", b"exit()"), y=Y_FILE), "cannot be read as npz"),
    "objects": (archive(x=npy((30,), "|O", b"cos\nsystem\n(S'true'\ntR."), y=Y_FILE), "pickled Python objects"),
    "records": (archive(x=npy((30,), [("a", "<f8")], bytes(240)), y=Y_FILE), "holds values of the type"),
    "letters that are none": (archive(x=npy((30,), "<f8", bytes(240)), y=npy((30,), "<U1", OVER_UNICODE)), "bytes that are not text"),
    "surrogates": (archive(x=npy((30,), "<f8", bytes(240)), y=npy((30,), "<U1", np.array([0xD800] * 30, "<u4").tobytes())), "bytes that are not text"),
    "no letters without end": (archive(x=npy((30,), "<f8", bytes(240)), y=npy((10**18,), "<U0")), "y has 1,000,000,000,000,000,000"),
    "paths": (zipped({"../../x.npy": Y_FILE, "/etc/y.npy": Y_FILE}), r"holds ../../x, /etc/y; x is missing"),
    "no arrays": (zipped({"x.npy": b"text", "y.npy": b"text"}), "x holds values of the type"),
    "an archive in an archive": (zipped({"x.npy": saved(x=X), "y.npy": Y_FILE}), "x holds values of the type"),
}  # fmt: skip


@pytest.mark.parametrize("case", NPZ)
def test_tricks_in_an_npz(tmp_path, case):
    content, says = NPZ[case]
    (tmp_path / "hostile.npz").write_bytes(content)
    with watched(tmp_path), pytest.raises(DataError, match=says) as error:
        load_data(str(tmp_path / "hostile.npz"))
    assert "hostile.npz" in str(error.value)
    assert list(tmp_path.iterdir()) == [tmp_path / "hostile.npz"]


@pytest.fixture
def small_limit(monkeypatch):
    """16 MiB instead of 1 GiB, so that what is over it is made in no time."""
    monkeypatch.setattr(tables, "ALWAYS_BYTES", 2**24)


def test_an_npz_that_unpacks_to_a_thousand_times_its_size(tmp_path, small_limit):
    (tmp_path / "hostile.npz").write_bytes(bomb(2**28))
    assert (tmp_path / "hostile.npz").stat().st_size < 2**19
    with (
        watched(tmp_path),
        pytest.raises(DataError, match=r"hostile\.npz: its declared unpacked size is 0\.3 GiB; the limit"),
    ):
        load_data(str(tmp_path / "hostile.npz"))


def test_an_npz_that_claims_a_size_which_it_does_not_have(tmp_path):
    packed = bytearray(archive(x=npy((30,), content=bytes(240)), y=Y_FILE))
    entry = packed.index(b"PK\x01\x02")
    packed[entry + 24 : entry + 28] = (2**32 - 2).to_bytes(4, "little")
    (tmp_path / "hostile.npz").write_bytes(bytes(packed))
    with watched(tmp_path), pytest.raises(DataError, match=r"hostile\.npz: its declared unpacked size is 4\.0 GiB"):
        load_data(str(tmp_path / "hostile.npz"))


def test_an_npz_of_many_names_for_one_content(tmp_path):
    """Members that all point to the same bytes: a small file of any size."""
    content = npy((2**24,), "|u1", bytes(2**24))
    packed = bytearray(zipped({"x.npy": content}, zipfile.ZIP_DEFLATED))
    directory = packed.index(b"PK\x01\x02")
    entry, end = bytes(packed[directory : packed.index(b"PK\x05\x06")]), packed[packed.index(b"PK\x05\x06") :]
    number = 1000
    end[8:12] = number.to_bytes(2, "little") * 2
    end[12:16] = (len(entry) * number).to_bytes(4, "little")
    (tmp_path / "hostile.npz").write_bytes(bytes(packed[:directory]) + entry * number + bytes(end))
    with watched(tmp_path), pytest.raises(DataError, match="its declared unpacked size is 15.6 GiB"):
        load_data(str(tmp_path / "hostile.npz"))


def test_a_parquet_that_unpacks_to_a_thousand_times_its_size(tmp_path, small_limit):
    import pandas as pd

    pd.DataFrame({"x": np.zeros(2**24), "y": 0}).to_parquet(tmp_path / "hostile.parquet")
    with watched(tmp_path), pytest.raises(DataError, match=r"hostile\.parquet: its declared unpacked size is 0\.2 GiB"):
        load_data(str(tmp_path / "hostile.parquet"), target="y")


def test_a_table_of_many_columns(tmp_path):
    names = [f"c{i}" for i in range(8_000)]
    rows = [",".join(names), *(",".join(["1"] * 8_000) for _ in range(10))]
    (tmp_path / "hostile.csv").write_text("\n".join(rows))
    with watched(tmp_path), pytest.raises(DataError, match="the target is 1 for all 10 samples"):
        load_data(str(tmp_path / "hostile.csv"), target="c7")
    with watched(tmp_path), pytest.raises(DataError, match="no column 'd7'"):
        load_data(str(tmp_path / "hostile.csv"), target="d7")


@pytest.mark.parametrize(
    "target",
    ["/etc/passwd:x", "../evil:x", "./a.py:b", "a/b:c", "os.path:join;x", "os:system('true')", "a:b\n", "\0:x", "__import__('os'):x", "http://x:y", "x" * 100_000, "x:" + "a." * 50_000],
)  # fmt: skip
def test_only_a_module_and_a_name_lead_to_code(tmp_path, target):
    with watched(tmp_path), pytest.raises(UsageError):
        import_object(target, "data function")


@pytest.mark.parametrize(
    ("module", "name"),
    [("os", "system"), ("antigravity", "geohash"), ("builtins", "eval"), ("keras.utils", "get_file"), ("keras.config", "enable_unsafe_deserialization")],
)  # fmt: skip
def test_a_model_that_names_code_is_refused_and_the_code_not_imported(tmp_path, module, name):
    content, _ = files("keras")[0]
    members = members_of(content)
    layer = {"module": module, "class_name": name, "config": {"name": "true"}, "registered_name": name}
    config = json.loads(members["config.json"])
    config["config"]["layers"][-1] = layer
    members["config.json"] = json.dumps(config).encode()
    (tmp_path / "hostile.keras").write_bytes(zipped(members))
    with watched(tmp_path), pytest.raises(ModelError, match=r"hostile\.keras cannot be loaded"):
        load_user_model(tmp_path / "hostile.keras")
    assert "antigravity" not in sys.modules


def test_a_model_that_unpacks_to_a_thousand_times_its_size(tmp_path, small_limit):
    (tmp_path / "hostile.keras").write_bytes(bomb(2**28))
    with watched(tmp_path), pytest.raises(ModelError, match=r"hostile\.keras: its declared unpacked size is 0\.3 GiB"):
        load_user_model(tmp_path / "hostile.keras")


@pytest.mark.parametrize("content", [b"[" * 5000, b"{}", b"[]", b"null", b"\xff", b"{" * 5000, b'{"class_name": 3}'])
def test_a_model_whose_config_is_none(tmp_path, content):
    members = members_of(files("keras")[0][0])
    (tmp_path / "hostile.keras").write_bytes(zipped(members | {"config.json": content}))
    with watched(tmp_path), pytest.raises(ModelError, match=r"hostile\.keras cannot be loaded"):
        load_user_model(tmp_path / "hostile.keras")
