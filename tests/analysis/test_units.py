import math

import pytest

from actsearch.analysis.units import COST_UNITS, Units
from actsearch.records import Direction, Objective

LOSS = Units(Objective("val_loss", Direction.MIN), 0.25)


@pytest.mark.parametrize("name", ["val_accuracy", "val_sparse_categorical_accuracy", "auc", "val_f1_score", "acc"])
def test_shares_are_told_in_points(name):
    units = Units(Objective(name, Direction.MAX), 0.9)
    assert units.in_points
    assert units.default_margin == 0.005
    assert units.difference(-0.0123) == "-1.2 points"
    assert units.score(0.97345) == "0.9735"


@pytest.mark.parametrize(
    ("name", "direction", "level"),
    [("val_accuracy", "max", 87.0), ("val_loss", "min", 0.3), ("val_r2", "max", 0.5), ("val_accuracy_gap", "min", 0.1)],
)
def test_other_objectives_are_told_as_they_are(name, direction, level):
    units = Units(Objective(name, Direction(direction)), level)
    assert not units.in_points
    assert units.default_margin == pytest.approx(0.01 * level)


def test_a_loss_that_is_lower_is_a_gain():
    assert LOSS.sign == -1
    assert LOSS.difference(0.012) == "gain +0.012"
    assert LOSS.difference(-0.012, "test loss") == "gain -0.012 in test loss"
    assert LOSS.signed(0.012) == "+0.012"
    assert LOSS.interval(0.01, 0.02) == "[0.01, 0.02]"
    assert LOSS.margin(0.0025) == "0.0025"
    assert LOSS.margin(0.0025, "test loss") == "0.0025 in test loss"


def test_small_and_missing_figures():
    units = Units(Objective("accuracy", Direction.MAX), 0.9)
    assert units.difference(0.0004) == "+0.04 points"
    assert units.difference(math.nan) == "unknown points"
    assert units.interval(-math.inf, math.inf) == "[-∞, ∞]"


def test_costs_are_written_in_their_units():
    assert [COST_UNITS["train_seconds"].text(value) for value in (0.0, 0.0123, 0.5, 9.876, 1234.5)] == [
        *("0", "0.012", "0.5", "9.88", "1,234"),
    ]
    assert COST_UNITS["peak_rss_bytes"].text(3 * 2**30) == "3,072"
