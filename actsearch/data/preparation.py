"""How samples become what a model was trained on, kept with the model so that new samples are prepared alike."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from actsearch._typing import Array
from actsearch.data.tables import listed, standard_scaler
from actsearch.data.target import Target
from actsearch.errors import DataError
from actsearch.records import Task

_ABOUT = (
    "Numbers become (value - mean) / sd, each text column one feature for each of its texts (1 where it is equal, else "
    "0), after the numbers; arrays are divided by divisor. The target of a regression is output * target_sd + "
    "target_mean. actsearch.data.load_preparation reads this file."
)


@dataclass(frozen=True)
class Preparation:
    """Prepares samples as those that a model was trained on, and returns its outputs in the units of the target.

    Args:
        columns: Names of the numeric columns, in their order; empty for arrays.
        texts: The texts of each text column, in their order.
        mean, sd: What is subtracted from each number, and what it is then divided by; empty if numbers stay as given.
        divisor: Number by which arrays with more axes are divided.
        target_mean, target_sd: Of a regression: `output * target_sd + target_mean` is in the units of the target.
        classes: The classes in the order of their numbers; empty for a regression.

    Example:

    >>> prepare = Preparation(columns=("age",), mean=(40.0,), sd=(10.0,), texts={"kind": ("a", "b")})
    >>> import pandas as pd
    >>> prepare(pd.DataFrame({"kind": ["b", "a"], "age": [50, 35]})).tolist()
    [[1.0, 0.0, 1.0], [-0.5, 1.0, 0.0]]
    """

    columns: tuple[str, ...] = ()
    texts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    mean: tuple[float, ...] = ()
    sd: tuple[float, ...] = ()
    divisor: float = 1.0
    target_mean: float = 0.0
    target_sd: float = 1.0
    classes: tuple[str, ...] = ()

    @property
    def is_table(self) -> bool:
        """Whether samples have named columns."""
        return bool(self.columns or self.texts)

    def __call__(self, x: Any) -> Array:
        """Prepares samples.

        Args:
            x: A table with the columns that the model was trained on, in any order; or an array of shape (n, ...).

        Returns:
            Features for the model, float32, of shape (n, ...).

        Raises:
            DataError: A column is missing, or the shape differs.
        """
        if not self.is_table:
            return self._scaled(np.asarray(x))
        names = (*self.columns, *self.texts)
        if not hasattr(x, "columns"):
            kind = type(x).__name__
            raise DataError(
                f"The samples are of the type {kind}; expected a table with the columns {listed([*names])}."
            )
        if missing := [name for name in names if name not in x.columns]:
            raise DataError(f"The samples lack the columns {listed(missing)}. Pass all that the model was trained on.")
        parts = [self._scaled(x[list(self.columns)].to_numpy(dtype=float))] if self.columns else []
        for name, texts in self.texts.items():
            values = x[name].to_numpy(dtype=object)
            parts.append((values[:, None] == np.array(texts, dtype=object)).astype(np.float32))
        return np.hstack(parts)

    def target(self, outputs: Any) -> Array:
        """Returns the outputs of a model as values of the target: in its units, or as the likeliest class.

        Args:
            outputs: What the model predicts, of shape (n, 1), or (n, classes).
        """
        values = np.asarray(outputs)
        if not self.classes:
            return values * self.target_sd + self.target_mean
        numbers = (values[:, 0] > 0.5).astype(int) if values.shape[1] == 1 else values.argmax(axis=1)
        return np.array(self.classes)[numbers]

    def save(self, path: Path) -> None:
        """Writes the preparation as JSON, with a sentence on how to apply it."""
        path.write_text(json.dumps({"about": _ABOUT, **asdict(self)}, indent=2), "utf-8")

    def _scaled(self, x: Array) -> Array:
        if not self.mean:
            divisor = self.divisor
            return np.asarray(x if divisor == 1.0 else x.astype(np.float64) / divisor).astype(np.float32)
        if x.ndim != 2 or x.shape[1] != len(self.mean):
            raise DataError(f"The samples have the shape {x.shape}; expected {len(self.mean)} numbers for each sample.")
        return np.asarray((x.astype(np.float64) - self.mean) / self.sd).astype(np.float32)


def load_preparation(path: str | Path) -> Preparation:
    """Loads what `actsearch export --refit` writes beside a model.

    Args:
        path: The `.json` file.

    Returns:
        The preparation.

    Raises:
        DataError: The file has something else.

    Example:

    >>> Preparation(columns=("age",), mean=(40.0,), sd=(10.0,)).save(Path("model.json"))
    >>> load_preparation("model.json").columns
    ('age',)
    """
    try:
        known = json.loads(Path(path).read_text("utf-8"))
        known.pop("about")
        texts = {name: tuple(values) for name, values in known.pop("texts").items()}
        numbers: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in known.items()}
        return Preparation(texts=texts, **numbers)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} does not say how samples are prepared ({error}). Give the file beside the model."
        ) from error


def fit_preparation(
    x: Any, y: Array, target: Target, classes: tuple[str, ...] | None, *, prepared: bool
) -> Preparation:
    """Finds the preparation of samples, from all of them.

    Args:
        x: Features: an array or a table.
        y: The target, one value for each sample.
        target: The task and its classes.
        classes: Names of the classes.
        prepared: Whether they come from user code, and so are not scaled.

    Returns:
        The preparation.
    """
    known: dict[str, Any] = {}
    if target.task is not Task.REGRESSION:
        known["classes"] = classes or ()
    elif not prepared:
        known |= {"target_mean": float(y.astype(np.float64).mean()), "target_sd": float(y.astype(np.float64).std())}
    if not isinstance(x, np.ndarray):
        texts = [name for name in x.columns if x[name].dtype.kind == "O"]
        columns = [name for name in x.columns if name not in texts]
        known |= {"columns": tuple(columns), "texts": {name: tuple(sorted(set(x[name]))) for name in texts}}
        known |= _standard(x[columns].to_numpy(dtype=float)) if columns else {}
    elif not prepared or x.dtype == np.uint8:  # other arrays of a user's function stay as given
        known |= _standard(x) if x.ndim == 2 else {"divisor": max(float(np.abs(x).max()), 1.0)}
    return Preparation(**known)


def _standard(x: Array) -> dict[str, tuple[float, ...]]:
    scaler = standard_scaler(x.astype(np.float64))
    return {"mean": tuple(map(float, scaler.mean_)), "sd": tuple(map(float, scaler.scale_))}
