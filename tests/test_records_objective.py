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
        ("val_dice_loss", "min"),
        ("val_iou_loss", "min"),
        ("val_f1_loss", "min"),
        ("val_recall_error", "min"),
        ("val_top_loss", "min"),  # the loss of an output called top
        ("val_top_mse", "min"),
        ("val_loss_accuracy", "max"),
        ("val_DiceLoss", "min"),
        ("val_MeanIoU", "max"),
        ("val_auc_1", "max"),
        ("val_top5_loss_2", "min"),
        ("val_jaccard_distance", "min"),
    ],
)
def test_the_direction_follows_from_the_name(name, direction):
    found = parse_objective(name)
    assert found.direction is Direction(direction)
    assert found.name == name.partition(":")[0]


def test_an_inferred_direction_says_so():
    assert parse_objective("val_dice_loss").reason == "inferred from the name"
    assert parse_objective("val_dice_loss:max").reason == ""
    assert parse_objective("val_dice_loss") == parse_objective("val_dice_loss:min")


def test_the_metrics_of_the_model_come_before_the_name():
    known = {"mystery": Direction.MIN, "top_loss": Direction.MAX}
    assert parse_objective("val_mystery", known).direction is Direction.MIN
    assert parse_objective("val_digit_mystery", known).direction is Direction.MIN
    assert parse_objective("val_top_loss", known).direction is Direction.MAX
    assert parse_objective("val_top_loss", known).reason == "inferred from the metric"


def test_keras_tuners_own_is_understood():
    assert parse_objective(keras_tuner.Objective("val_f1", "max")).direction is Direction.MAX


@pytest.mark.parametrize(
    "wrong",
    [
        *("val_mystery", "val_loss:down", "", None, 3),
        *("val_loss_iou", "val_hinge_similarity", "val_neg_mean_squared_error", "val_loss_reduction"),  # both
    ],
)
def test_what_is_not_clear_is_asked_for(wrong):
    with pytest.raises(UsageError, match=":max"):
        parse_objective(wrong)
