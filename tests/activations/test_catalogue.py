"""Every catalogue entry against values computed by hand, against its layer, and against the laws of its family."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from actsearch.activations import self_normalising as s
from actsearch.activations.catalogue import ENTRIES
from actsearch.activations.moments import second_moment
from actsearch.activations.registry import get
from actsearch.testing import check_activation
from tests.helpers.layer_cases import OTHER_VALUES

GRID = np.concatenate([np.linspace(-8, 8, 161), [-30.0, -6.0, 6.0, 6.5, 30.0]])
every_entry = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)

# By hand: exp(-1) = 0.367879441171442, tanh(1) = 0.761594155955765, log 2 = 0.693147180559945.
ORACLE = {
    "relu": {-2: 0, 0: 0, 3: 3},
    "relu6": {-2: 0, 5: 5, 7: 6},
    "leaky_relu": {-2: -0.02, 3: 3},
    "prelu": {-2: -0.5, 3: 3},
    "rrelu": {-48: -11, 3: 3},
    "elu": {-1: -0.632120558828558, 2: 2},
    "pelu": {-1: -0.632120558828558, 2: 2},
    "mpelu": {-1: -0.632120558828558, 2: 2},
    "celu": {-1: -0.632120558828558, 2: 2},
    "selu": {-1: -1.111330737812563, 1: 1.050700987355480},
    "leaky_selu": {-10: -2.623266013, 1: 1.046849011},
    "scaled_selu": {-100: -2.000673781, 1: 1.044352607},
    "serlu": {-1: -1.152419157, 1: 1.078618284},
    "parametric_selu": {-1: -1.111330737812563, 1: 1.050700987355480},
    "sigmoid": {-1: 0.268941421369995, 0: 0.5},
    "hard_sigmoid": {-4: 0, -1.5: 0.25, 0: 0.5, 3: 1},
    "sparse_sigmoid": {-2: 0, 0: 0.5, 0.5: 0.75, 2: 1},
    "tanh": {-1: -0.761594155955765},
    "hard_tanh": {-2: -1, 0.5: 0.5, 2: 1},
    "softsign": {-1: -0.5, 3: 0.75},
    "softplus": {0: 0.693147180559945, 30: 30},
    "squareplus": {-1.5: 0.5, 0: 1, 1.5: 2},
    "sparse_plus": {-1: 0, 0: 0.25, 0.5: 0.5625, 2: 2},
    "silu": {-1: -0.268941421369995, 0: 0},
    "hard_silu": {-4: 0, -1: -1 / 3, 1: 2 / 3, 4: 4},
    "gelu": {-1: -0.158655253931457, 1: 0.841344746068543},
    "mish": {-1: -0.303401461, 1: 0.865098388},
    "log_sigmoid": {0: -0.693147180559945, -30: -30},
    "soft_shrink": {-2: -1.5, 0.25: 0, 2: 1.5},
    "hard_shrink": {-2: -2, 0.25: 0, 2: 2},
    "tanh_shrink": {1: 0.238405844044235},
    "linear": {-2: -2, 3: 3},
}


def test_names_are_unique_and_every_entry_is_described():
    assert len({entry.name for entry in ENTRIES}) == len(ENTRIES)
    for entry in ENTRIES:
        assert entry.formula and entry.reference
        assert all(p.low <= p.default <= p.high and p.meaning for p in entry.parameters.values())
        assert not entry.learns or "learned" in entry.formula


def test_oracle_covers_the_catalogue():
    assert ORACLE.keys() == {entry.name for entry in ENTRIES}


@every_entry
def test_oracle(entry):
    for x, y in ORACLE[entry.name].items():
        assert entry(x) == pytest.approx(y, rel=1e-6, abs=1e-9)


@every_entry
def test_it_meets_the_contract(entry):
    check_activation(entry)


@pytest.mark.parametrize("bound", OTHER_VALUES.values(), ids=lambda bound: bound.label)
def test_it_meets_the_contract_with_other_values(bound):
    check_activation(bound)
    assert not np.allclose(bound(GRID), bound.activation(GRID))


def mean(function):
    """E f(z) by another quadrature than the moments use."""

    def weighted(z):
        return function(z) * np.exp(-z * z / 2) / np.sqrt(2 * np.pi)

    return quad(weighted, -12, 0)[0] + quad(weighted, 0, 12)[0]


@every_entry
def test_alpha_dropout_belongs_to_the_fixed_point_of_mean_0_and_variance_1(entry):
    fixed = abs(mean(entry)) < 1e-9 and abs(second_moment(entry) - 1) < 1e-9
    assert entry.alpha_dropout == (fixed and entry.name != "linear")


@given(st.floats(0.2, 3), st.floats(0, 0.9))
def test_self_normalising_numbers_have_the_fixed_point(beta, slope):
    scale, alpha = s.self_normalising(beta, slope)

    def function(z):
        return scale * (np.maximum(z, 0) + np.minimum(alpha * np.expm1(beta * z) + slope * z, 0))

    assert mean(function) == pytest.approx(0, abs=1e-9)
    assert second_moment(function) == pytest.approx(1, rel=1e-9)


def test_self_normalising_numbers_of_selu_are_the_published_ones():
    assert s.self_normalising() == pytest.approx((s.SELU_SCALE, s.SELU_ALPHA), rel=1e-14)


@given(st.floats(-50, 50))
def test_special_cases(x):
    x = np.float64(x)

    def value(name, **parameters):
        return get(name).function(x, **parameters)

    assert value("leaky_relu", slope=0.0) == value("relu")
    assert value("leaky_relu", slope=1.0) == x
    assert value("elu", alpha=1.0) == value("pelu", a=1.0, b=1.0) == value("celu", alpha=1.0)
    assert value("elu", alpha=1.0) == value("mpelu", alpha=1.0, beta=1.0)
    assert value("soft_shrink", threshold=0.0) == value("hard_shrink", threshold=0.0) == x
    assert value("squareplus", b=0.0) == pytest.approx(value("relu"))
    assert value("softplus") + value("log_sigmoid") == pytest.approx(x)


@pytest.mark.parametrize("name", ["leaky_relu", "elu", "pelu", "mpelu", "celu", "selu", "serlu"])
def test_continuous_at_zero(name):
    below, above = get(name)(np.array([-1e-9, 1e-9]))
    assert above - below == pytest.approx(0, abs=1e-8)
