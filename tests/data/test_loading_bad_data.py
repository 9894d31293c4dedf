"""Unusable data raise one error that names the source, and never any other exception."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from actsearch.data import load_data
from actsearch.errors import DataError, UnknownNameError, UsageError

CSV = "age,colour,y\n" + "".join(f"{20 + i},{'rb'[i % 2]}d,{'cat' if i % 3 else 'dog'}\n" for i in range(30))


def lines(change: Callable[[list[str]], list[str]]) -> str:
    return "\n".join(change(CSV.splitlines())) + "\n"


def with_line(number: int, text: str) -> str:
    return lines(lambda ls: [*ls[:number], text, *ls[number + 1 :]])


CSV_CASES = {
    "no target": (CSV, None, r"specify which column is the target\. Columns: age, colour, y"),
    "misspelt target": (CSV, "colur", r"no column 'colur'\. Did you mean 'colour'\?"),
    "empty": ("", "y", "the file is empty"),
    "blank": ("\n\n", "y", "cannot be read as csv"),
    "header alone": ("age,y\n", "y", "has a header but no rows"),
    "target alone": ("y\n1\n2\n", "y", "no columns other than the target"),
    "missing": (with_line(4, ",red,cat"), "y", r"missing values in 'age' \(1\), the first in row 4 below"),
    "missing target": (with_line(2, "1,red,"), "y", r"missing values in 'y' \(1\), the first in row 2"),
    "infinite": (with_line(3, "inf,red,cat"), "y", r"infinite values in 'age' \(1\), the first in row 3"),
    "long line": (with_line(3, "1,2,3,4"), "y", "Expected 3 fields in line 4, saw 4"),
    "short header": (with_line(0, "a,y"), "y", "its lines have more fields than its header"),
    "one class": (CSV.replace("dog", "cat"), "y", "the target is cat for all 30 samples"),
    "rare class": (with_line(1, "5,red,rat"), "y", r"Too few samples in 1 of 3 classes: rat \(1\)"),
    "few samples": (lines(lambda ls: ls[:3]), "age", "2 samples are too few|there is nothing to learn"),
    "identifiers": (
        "name,age,y\n" + "".join(f"n{i},{i},{i % 2}\n" for i in range(60)),
        "y",
        "column 'name' has 60 different texts",
    ),
    "decimal commas": (
        "a;y\n" + "".join(f"1,{i};{i % 2}\n" for i in range(60)),
        "y",
        r"such as '1,0'; at most 30 .* write them as 1234\.5",
    ),
    "question mark": (with_line(5, "?,red,cat"), "y", r"'age' holds numbers, but row 5 .* the text '\?'"),
    "large integers": (
        lines(lambda ls: [ls[0], *(line.replace(",", "0" * 30 + ",", 1) for line in ls[1:])]),
        "y",
        "column 'age' holds integers of more than 64 bits",
    ),
}


@pytest.mark.parametrize("case", CSV_CASES)
def test_bad_csv(tmp_path: Path, case: str) -> None:
    text, target, message = CSV_CASES[case]
    (tmp_path / "bad.csv").write_text(text)
    with pytest.raises(DataError, match=message) as error:
        load_data(str(tmp_path / "bad.csv"), target=target)
    assert "bad.csv" in str(error.value)


def test_csv_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "latin.csv").write_bytes("größe,y\n1,2\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"latin\.csv: not UTF-8 text \(byte 2\)"):
        load_data(str(tmp_path / "latin.csv"), target="y")


def test_parquet_that_is_none_and_dates(tmp_path: Path) -> None:
    (tmp_path / "bad.parquet").write_text("hello")
    with pytest.raises(DataError, match=r"bad\.parquet: cannot be read as parquet"):
        load_data(str(tmp_path / "bad.parquet"), target="y")
    frame = pd.DataFrame({"when": pd.Timestamp("2020-01-01"), "y": [0, 1] * 10})
    frame.to_parquet(tmp_path / "date.parquet")
    with pytest.raises(DataError, match=r"date\.parquet: column 'when' holds values of the type datetime64"):
        load_data(str(tmp_path / "date.parquet"), target="y")


X, Y = np.random.default_rng(0).normal(size=(30, 3)), np.arange(30) % 3


def holed(value: float) -> np.ndarray:
    x = X.copy()
    x[7, 2] = value
    return x


NPZ_CASES = {
    "other keys": ({"images": X, "labels": Y}, r"holds images, labels; x is missing"),
    "no y": ({"x": X}, "y is missing"),
    "no test labels": ({"x_train": X, "y_train": Y, "x_test": X}, "y_test is missing"),
    "misspelt": ({"x": X, "y": Y, "x_vall": X}, "x_vall is unexpected"),
    "both": ({"x": X, "y": Y, "x_train": X, "y_train": Y}, "x is unexpected"),
    "nothing": ({}, "holds no arrays"),
    "lengths": ({"x": X, "y": Y[:-1]}, "x has 30 samples, but y has 29"),
    "shapes": (
        {"x_train": X, "y_train": Y, "x_test": X[:, :2], "y_test": Y},
        r"shape \(3,\), but those of x_test have \(2,\)",
    ),
    "nan": ({"x": holed(np.nan), "y": Y}, r"missing values \(NaN\) in 1 of 30 samples, .* index \[7, 2\]"),
    "inf": ({"x": holed(-np.inf), "y": Y}, r"infinite values in 1 of 30 samples, the first at index \[7, 2\]"),
    "nan target": ({"x": X, "y": holed(np.nan)[:, 2]}, r"y has missing values"),
    "pickled": ({"x": np.array([{}, 1], dtype=object), "y": Y[:2]}, "pickled Python objects, which are refused"),
    "complex": ({"x": X * 1j, "y": Y}, "x holds values of the type complex128; expected numbers"),
    "text": ({"x": X.astype(str), "y": Y}, "x holds values of the type <U"),
    "dates": ({"x": X, "y": Y.astype("datetime64[D]")}, "y holds values of the type datetime64"),
    "no samples": ({"x": X[:0], "y": Y[:0]}, "x has no samples"),
    "no features": ({"x": X[:, :0], "y": Y}, "samples hold no features"),
    "scalars": ({"x": 1, "y": 2}, "x is a single value"),
    "several outputs": ({"x": X, "y": X}, r"y has the shape \(30, 3\)"),
    "one value": ({"x": X, "y": np.full(30, 0.5)}, r"the target is 0\.5 for all 30 samples"),
    "fewer samples than classes": ({"x": X[:2], "y": np.array(["a", "b"])}, "2 samples are too few"),
    "huge features": ({"x": X * 1e300, "y": Y}, "x_train has values that overflow"),
    "huge target": ({"x": X, "y": X[:, 0] * 1e300}, "the target cannot be scaled to float32"),
    "rare labels": ({"x": X, "y": np.where(np.arange(30) < 2, 8, Y)}, r"8 \(2\).*quantity, set the task to reg"),
}


@pytest.mark.parametrize("case", NPZ_CASES)
def test_bad_npz(tmp_path: Path, case: str) -> None:
    arrays, message = NPZ_CASES[case]
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(DataError, match=message) as error:
        load_data(str(tmp_path / "bad.npz"))
    assert "bad.npz" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 cut"])
def test_npz_that_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"bad\.npz: (the file is empty|is not a complete npz archive)"):
        load_data(str(tmp_path / "bad.npz"))


def test_npz_that_claims_more_than_memory(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f8", "fortran_order": False, "shape": (10**15,)})
    with zipfile.ZipFile(tmp_path / "bad.npz", "w") as archive:
        archive.writestr("x.npy", buffer.getvalue())
        archive.writestr("y.npy", buffer.getvalue())
    with pytest.raises(DataError, match=r"bad\.npz: cannot be read as npz"):
        load_data(str(tmp_path / "bad.npz"))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("digit", r"Unknown data set 'digit'. Did you mean 'digits'\? Known: .*FILE\.csv.*package\.module:function"),
        ("", "Unknown data set ''"),
        ("a b:c", "'a b:c' does not name a data function"),
        ("json:", "'json:' does not name a data function"),
        ("no_such_module:load", "no module 'no_such_module' was found in"),
        ("json.nothing:load", r"no module 'json\.nothing'"),
        ("json:lods", r"json has no data function 'lods'\. Did you mean 'load"),
        ("string:digits", r"string:digits is not a function but a str"),
        ("os:getcwd", "os:getcwd returned a value of the type str"),
        ("time:localtime", "time:localtime returned a value of the type|returned 9 values"),
        ("json:loads", "json:loads failed with TypeError"),
    ],
)
def test_sources_that_are_none(source: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_data(source)


def test_missing_files_and_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("iris.csv").write_text(CSV)
    Path("iris.xlsx").write_text("x")
    Path("folder.csv").mkdir()
    for source, message in [
        ("irsi.csv", r"irsi\.csv: no such file in .*Did you mean 'iris\.csv'\?"),
        ("iris.cvs", r"Did you mean 'iris\.csv'\?"),
        ("nowhere/a.csv", r"nowhere/a\.csv: no such file"),
        ("iris.xlsx", r"iris\.xlsx: cannot be read; expected a file that ends in \.csv, \.npz, \.parquet"),
        ("folder.csv", r"folder\.csv: is not a file"),
        (".", r"is a folder without .npy files"),
    ]:
        with pytest.raises(DataError, match=message):
            load_data(source, target=None if source in (".", "iris.xlsx", "iris.cvs") else "y")


def test_tasks_and_targets_that_do_not_fit() -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown task 'regresion'\. Did you mean 'regression'\?"):
        load_data("wine", task="regresion")
    with pytest.raises(DataError, match="wine: the target has 3 different values; the task binary needs two"):
        load_data("wine", task="binary")
    with pytest.raises(DataError, match="Too few samples in 209 of 214 classes"):
        load_data("diabetes", task="multiclass")
    with pytest.raises(DataError, match="only csv and parquet files have a target column"):
        load_data("wine", target="y")


def test_regression_on_text(tmp_path: Path) -> None:
    (tmp_path / "pets.csv").write_text(CSV)
    with pytest.raises(DataError, match=r"pets\.csv: the target holds text, such as dog; a regression needs"):
        load_data(str(tmp_path / "pets.csv"), target="y", task="regression")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return None", "returned a value of the type NoneType; expected"),
        ("return [0], [0], [0]", "returned 3 values; expected"),
        ("return {'a': 1}", "holds a; x is missing"),
        ("return [[1, 2], [3]], [0, 1]", "x is not an array: its rows differ in length"),
        ("return [[1.0], [2.0]], [None, 1]", "y holds values of the type NoneType"),
        ("raise SystemExit(3)", "failed with SystemExit: 3"),
        ("return helper()", r"failed with KeyError: 'gone'\nTraceback(.|\n)*line 3, in load(.|\n)*in helper"),
    ],
)
def test_functions_that_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, message: str, request: pytest.FixtureRequest
) -> None:
    monkeypatch.chdir(tmp_path)
    name = f"bad_data_{request.node.callspec.indices['body']}"
    Path(f"{name}.py").write_text(f"\ndef load():\n    {body}\ndef helper():\n    return {{}}['gone']\n")
    with pytest.raises(DataError, match=message) as error:
        load_data(f"{name}:load")
    assert str(error.value).startswith(f"{name}:load")
    assert "actsearch/" not in str(error.value)


def loads_or_refuses(path: Path, target: str | None = None) -> bool:
    """Returns whether it loads; any error other than ours fails the test."""
    try:
        data = load_data(str(path), target=target)
    except UsageError:
        return False
    assert np.isfinite(data.x_train).all()
    return True


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.integers(1, 6)):
        place = int(rng.integers(0, len(changed)))
        match int(rng.integers(0, 4)):
            case 0:
                changed[place] = int(rng.integers(0, 256))
            case 1:
                del changed[place : place + int(rng.integers(1, 20))]
            case 2:
                changed[place:place] = rng.choice([b",", b'"', b"\n", b"nan", b"1e999", b"9" * 30, b"\x00"])
            case _:
                changed[place:place] = changed[place : place + 9]
    return bytes(changed)


@pytest.mark.parametrize("ending", ["csv", "npz", "parquet"])
def test_mutated_files_load_or_are_refused(tmp_path: Path, ending: str) -> None:
    rng = np.random.default_rng(20)
    path = tmp_path / f"fuzz.{ending}"
    if ending == "npz":
        np.savez(path, x=X, y=Y)
    elif ending == "csv":
        path.write_text(CSV)
    else:
        pd.read_csv(io.StringIO(CSV)).to_parquet(path)
    original = path.read_bytes()
    loaded = 0
    for _ in range(200):
        path.write_bytes(mutated(original, rng))
        loaded += loads_or_refuses(path, None if ending == "npz" else "y")
    assert loaded < 200
