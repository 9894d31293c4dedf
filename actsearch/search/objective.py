"""An objective from what people write: `val_accuracy`, `val_f1:max`, or KerasTuner's own."""

import re
from typing import Any

from actsearch.errors import UsageError, did_you_mean
from actsearch.records import Direction, Objective

_USUAL = ("val_accuracy", "val_loss", "val_mae", "val_auc", "val_precision", "val_recall", "val_f1_score")
_WORDS = {
    Direction.MAX: r"acc|accuracy|auc|precision|recall|sensitivity|specificity|f\d?|fbeta|r2|iou|dice|top|similarity",
    Direction.MIN: r"loss|error|mae|mse|rmse|mape|msle|deviation|entropy|crossentropy|divergence|hinge|perplexity",
}


def parse_objective(objective: Any) -> Objective:
    """The objective that is meant.

    Args:
        objective: A metric's name; a name with its direction, `"val_f1:max"`; an `Objective`; or KerasTuner's.

    Raises:
        UsageError: The direction is not given and does not follow from the name, or is neither max nor min.

    Example:

    >>> parse_objective("val_r2_score").direction.value
    'max'
    """
    if isinstance(objective, Objective):
        return objective
    direction: str | None
    if isinstance(objective, str):
        name, _, given = objective.partition(":")
        direction = given or _direction_of(name)
    else:
        name = getattr(objective, "name", None) or ""
        direction = getattr(objective, "direction", None)
    if not name or direction not in list(Direction):
        raise UsageError(
            f"Objective {objective!r}: cannot tell whether more or less of it is better."
            f"{did_you_mean(str(name), _USUAL)} Say so: {name or 'val_accuracy'}:max or {name or 'val_loss'}:min."
        )
    return Objective(str(name), Direction(direction))


def _direction_of(name: str) -> str | None:
    words = [word for word in re.split(r"[_\W]+", name.lower()) if word]
    for direction, pattern in _WORDS.items():
        if any(re.fullmatch(pattern, word) for word in words):
            return direction
    return None
