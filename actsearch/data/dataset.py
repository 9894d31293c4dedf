"""What a search trains on: three parts of arrays, and what is known of them."""

from dataclasses import dataclass
from typing import Any

from actsearch._typing import Array
from actsearch.records import Task


@dataclass(frozen=True, eq=False)
class Dataset:
    """Data divided into a training, a validation and a test part, ready for Keras.

    Args:
        name: The source as it was given; a file's name without its folder.
        task: What is learned from it.
        x_train, x_val, x_test: Features, float32, of shape (samples, ...).
        y_train, y_val, y_test: Classes from 0, int32, of shape (samples,); in a regression the target,
            float32, of shape (samples, 1).
        num_classes: Number of classes; None in a regression.
        fingerprint: Hash of the data as they came: the same for any seed and in any process.
        feature_names: The columns' names, where there are any; a text column has one for each of its values.
        class_names: The classes as the target wrote them, in the order of their numbers.
        target_mean, target_sd: In a regression, `y * target_sd + target_mean` is in the target's own units,
            and so is the mean absolute error times `target_sd`.
        summary: One sentence that says what was found and what was done.
    """

    name: str
    task: Task
    x_train: Array
    y_train: Array
    x_val: Array
    y_val: Array
    x_test: Array
    y_test: Array
    num_classes: int | None
    fingerprint: str
    summary: str
    feature_names: tuple[str, ...] | None = None
    class_names: tuple[str, ...] | None = None
    target_mean: float = 0.0
    target_sd: float = 1.0

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return self.x_train.shape[1:]

    @property
    def sizes(self) -> dict[str, int]:
        """The number of samples in each part."""
        return {"train": len(self.x_train), "validation": len(self.x_val), "test": len(self.x_test)}

    def describe(self) -> dict[str, Any]:
        """Plain data for the ledger: everything but the arrays.

        Example:

        >>> from actsearch.data import load_data
        >>> load_data("wine").describe()["sizes"]
        {'train': 106, 'validation': 36, 'test': 36}
        """
        names = ("name", "num_classes", "fingerprint", "sizes", "summary", "target_mean", "target_sd")
        known = {name: getattr(self, name) for name in names}
        lists = {"input_shape": list(self.input_shape), "class_names": list(self.class_names or ())}
        return {**known, "task": str(self.task), **lists}


def summarise(name: str, shape: tuple[int, ...], task: str, parts: dict[str, int], notes: list[str]) -> str:
    """The sentence of `Dataset.summary`.

    Example:

    >>> sizes = {"train": 60, "validation": 20, "test": 20}
    >>> summarise("ages", (3,), "regression as asked for", sizes, ["as given"])
    'ages: 100 samples, 3 features, regression as asked for; 60 train / 20 validation / 20 test; as given'
    """
    features = f", {shape[0]:,} feature{'s' * (shape[0] != 1)}"
    form = features if len(shape) == 1 else f" of {'×'.join(map(str, shape))}"
    sizes = " / ".join(f"{size:,} {part}" for part, size in parts.items())
    return "; ".join([f"{name}: {sum(parts.values()):,} samples{form}, {task}", sizes, *notes])
