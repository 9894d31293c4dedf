"""Files changed at random and data of any form: accepted or refused, at once, and nothing is written elsewhere."""

import io
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from actsearch.errors import SpaceError
from tests.helpers.hostile import FILES, files, use, use_space, watched


def run_cases(ending: str, folder: Path, seed: int, number: int) -> None:
    """Changed files, one after the other; the seed of one that fails is told."""
    path, valid, accepted = folder / f"hostile.{ending}", files(ending), 0
    for case in range(number):
        rng = np.random.default_rng([seed, case])
        content, changes = valid[case % len(valid)]
        path.write_bytes(changes[case // len(valid) % len(changes)](content, rng))
        with watched(folder), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as a user runs it: what a library warns of does not end the reading
            try:
                accepted += use(path)
            except Exception as error:
                raise AssertionError(f"seed {seed}, case {case}: {type(error).__name__}: {error}") from error
    assert 0 < accepted < number


@pytest.mark.parametrize("ending", [*FILES, "keras"])
def test_unchanged_files_are_accepted(tmp_path, ending):
    for content, _ in files(ending):
        path = tmp_path / f"valid.{ending}"
        path.write_bytes(content)
        with watched(tmp_path):
            assert use(path)


@pytest.mark.parametrize(("ending", "number"), [("yaml", 150), ("csv", 150), ("npz", 150), ("keras", 40)])
def test_changed_files_are_accepted_or_refused(tmp_path, ending, number):
    run_cases(ending, tmp_path, 0, number)


@pytest.mark.slow
@pytest.mark.parametrize(("ending", "number"), [("yaml", 3400), ("csv", 3400), ("npz", 3400), ("keras", 500)])
def test_ten_thousand_changed_files_are_accepted_or_refused(tmp_path, ending, number):
    run_cases(ending, tmp_path, 1, number)


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(min_value=10**4400), st.floats(), st.text(max_size=8), st.binary(max_size=4),
    st.sampled_from(["relu", "prelu", "leaky_relu", "elu", "slope", "alpha", "log", "shared", "per_layer", 0, 1, 0.5]),
)  # fmt: skip
KEYS = st.one_of(
    st.sampled_from(["name", "activations", "baseline", "sites", "matching", "hyperparameters", "description"]),
    st.sampled_from(["min", "max", "step", "sampling", "values", "slope", "alpha", "relu", "leaky_relu", "parameters"]),
    SCALARS.filter(lambda key: key.__hash__ is not None),
)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)
SOMETHING_LIKE_A_SPACE = st.fixed_dictionaries(
    {"activations": st.lists(st.sampled_from(["relu", "elu"]) | ANYTHING, min_size=1, max_size=3)},
    optional={"hyperparameters": st.dictionaries(st.text(max_size=5), ANYTHING, max_size=3), "name": ANYTHING},
)


@settings(max_examples=300, deadline=None)
@given(content=st.dictionaries(KEYS, ANYTHING, max_size=4) | SOMETHING_LIKE_A_SPACE)
def test_any_data_is_a_space_or_refused(tmp_path_factory, content):
    folder = tmp_path_factory.getbasetemp()
    os.chdir(folder)
    with watched(folder):
        try:
            use_space(content)
        except SpaceError as error:
            assert str(error)
    try:
        text = yaml.safe_dump(content)
    except ValueError:  # a number that Python does not write out
        return
    (folder / "any.yaml").write_text(text, "utf-8")
    with watched(folder):
        use(folder / "any.yaml")


ARRAYS = arrays.arrays(
    dtype=arrays.scalar_dtypes() | arrays.unicode_string_dtypes(max_len=3) | arrays.byte_string_dtypes(max_len=3),
    shape=arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=12)
    | st.sampled_from([(20,), (20, 2), (20, 1)]),
)


@settings(max_examples=200, deadline=None)
@given(x=ARRAYS, y=ARRAYS)
def test_any_arrays_are_data_or_refused(tmp_path_factory, x, y):
    folder = tmp_path_factory.getbasetemp()
    buffer = io.BytesIO()
    np.savez(buffer, x=x, y=y)
    (folder / "any.npz").write_bytes(buffer.getvalue())
    with watched(folder):
        use(folder / "any.npz")


FIELDS = st.one_of(
    st.text(max_size=6),
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(["", "NA", '"', "1,5", "True", "\x00"]),
)


@settings(max_examples=200, deadline=None)
@given(rows=st.lists(st.lists(FIELDS, min_size=1, max_size=4), max_size=25), separator=st.sampled_from(",;\t"))
def test_any_text_is_a_table_or_refused(tmp_path_factory, rows, separator):
    folder = tmp_path_factory.getbasetemp()
    lines = [separator.join(["a", "b", "y"]), *(separator.join(row) for row in rows)]
    (folder / "any.csv").write_text("\n".join(lines), "utf-8", errors="surrogatepass")
    with watched(folder):
        use(folder / "any.csv")
