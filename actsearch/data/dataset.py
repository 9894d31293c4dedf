"""The data set that a search trains on: training, validation and test arrays, and their description."""

from dataclasses import dataclass
from typing import Any

from actsearch._typing import Array
from actsearch.records import Task


@dataclass(frozen=True, eq=False)
class Dataset:
    """Data split into a training, a validation and a test part, ready for Keras.

    Args:
        name: The source as passed by the user; for a file, its name without the folder.
        task: The learning task.
        x_train, x_val, x_test: Features, float32, of shape (samples, ...).
        y_train, y_val, y_test: Class numbers from 0, int32, of shape (samples,); for a regression the target,
            float32, of shape (samples, 1).
        num_classes: Number of classes; None for a regression.
        fingerprint: Hash of the original data, independent of the seed and the process.
        feature_names: Column names, if the source has any; a text column has one for each of its values.
        class_names: The classes as written in the target, in the order of their numbers.
        target_mean, target_sd: For a regression, `y * target_sd + target_mean` is in the target's original units,
            and so is the mean absolute error times `target_sd`.
        summary: One sentence that describes the data and how they were prepared.
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
        """Returns plain data for the ledger: everything except the arrays.

        Example:

        >>> from actsearch.data import load_data
        >>> load_data("wine").describe()["sizes"]
        {'train': 106, 'validation': 36, 'test': 36}
        """
        names = ("name", "num_classes", "fingerprint", "sizes", "summary", "target_mean", "target_sd")
        plain = {name: getattr(self, name) for name in names}
        lists = {"input_shape": list(self.input_shape), "class_names": list(self.class_names or ())}
        return {**plain, "task": str(self.task), **lists}


def summarise(name: str, shape: tuple[int, ...], task: str, parts: dict[str, int], notes: list[str]) -> str:
    """Composes the sentence of `Dataset.summary`.

    Example:

    >>> sizes = {"train": 60, "validation": 20, "test": 20}
    >>> summarise("ages", (3,), "regression as asked for", sizes, ["as given"])
    'ages: 100 samples, 3 features, regression as asked for; 60 train / 20 validation / 20 test; as given'
    """
    features = f", {shape[0]:,} feature{'s' * (shape[0] != 1)}"
    form = features if len(shape) == 1 else f" of {'×'.join(map(str, shape))}"
    sizes = " / ".join(f"{size:,} {part}" for part, size in parts.items())
    return "; ".join([f"{name}: {sum(parts.values()):,} samples{form}, {task}", sizes, *notes])
