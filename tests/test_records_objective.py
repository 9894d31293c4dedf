import keras_tuner
import pytest

from actsearch.errors import UsageError
from actsearch.records import Direction, parse_objective


@pytest.mark.parametrize(
    ("name", "direction"),
    [
        ("val_accuracy", "max"),
        ("val_loss", "min"),
        ("loss", "min"),
        ("val_f1_score", "max"),
        ("val_r2_score", "max"),
        ("val_auc", "max"),
        ("val_mean_absolute_error", "min"),
        ("val_mae", "min"),
        ("val_sparse_top_k_categorical_accuracy", "max"),
        ("val_kl_divergence", "min"),
        ("val_sparse_categorical_crossentropy", "min"),
        ("val_mystery:max", "max"),
        ("val_accuracy:min", "min"),
    ],
)
def test_the_direction_follows_from_the_name(name, direction):
    found = parse_objective(name)
    assert found.direction is Direction(direction)
    assert found.name == name.partition(":")[0]


def test_keras_tuners_own_is_understood():
    assert parse_objective(keras_tuner.Objective("val_f1", "max")).direction is Direction.MAX


@pytest.mark.parametrize("wrong", ["val_mystery", "val_loss:down", "", None, 3])
def test_what_is_not_clear_is_asked_for(wrong):
    with pytest.raises(UsageError, match=":max"):
        parse_objective(wrong)
