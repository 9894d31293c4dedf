"""From a source to a data set that Keras can train on: split first, then scaled by the training part."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from actsearch._typing import Array
from actsearch.data.arrays import SHARES, check_varies, fingerprint, take
from actsearch.data.division import Divided
from actsearch.data.preparation import Preparation, fit_preparation
from actsearch.data.rows import Rows
from actsearch.data.sources import PARTS, Raw, read_source
from actsearch.data.splits import EACH, ONE, Splits
from actsearch.data.tables import TableEncoder, scaler_of, standard_scaler
from actsearch.data.target import Target, find_target
from actsearch.errors import DataError, UsageError
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
        division: Divides the data for other executions; None if the source has all parts.
        ids: Which samples of the source are in the validation and the test part, under `validation` and `test`.

    Example:

    >>> from actsearch.data import load_data
    >>> wine = load_data("wine")
    >>> wine.x_train.shape, wine.num_classes, wine.feature_names[0]
    ((106, 13), 3, 'alcohol')
    >>> print(wine.summary)
    wine: 178 samples, 13 features, multi-class (3 classes) found from the target; 106 train / 36 validation / 36 test;
    numbers standardised
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
    division: "LoadedDivision | None" = None
    ids: Mapping[str, Array] = field(default_factory=dict)

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
        plain |= {"num_training": self.sizes["train"]}
        if self.division is not None and "test" in self.division.missing:
            plain["num_samples"] = self.division.splits.num_samples
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


Parts = dict[str, tuple[Any, Array]]
_NAMES = {"validation": "val", "test": "test"}


def load_data(
    source: str,
    *,
    target: str | None = None,
    task: str | None = None,
    seed: int = 0,
    splits: str | None = ONE,
    in_order: bool = False,
    groups: str | None = None,
) -> Dataset:
    """Loads data, determines the task, splits the samples and scales them by the training part.

    Undivided data are split into 60 % training, 20 % validation and 20 % test, stratified by class. If the source
    lacks a validation or test part, it is taken from the training part.

    Columns are standardised, text columns are one-hot encoded, and arrays with more axes (images) are divided by
    their largest value unless all values are from −1 to 1. The target of a regression is standardised, so errors
    are in units of its standard deviation (`Dataset.target_sd`): that of the training part with `splits="one"`, else
    that of all samples, so that all executions have the same unit. Data that a user function returns are not scaled,
    except for bytes (uint8).

    Args:
        source: `digits`, `breast_cancer`, `wine` or `diabetes`; the path of a csv, parquet or npz file
            (arrays x and y, or x_train, y_train, x_val, y_val, x_test, y_test), or of a folder with these arrays as
            npy files; or `package.module:function` for a function that returns `(x, y)`,
            `((x_train, y_train), (x_test, y_test))` or a dict with these keys. Large npy files, npz files without
            compression and parquet files of numbers are read by batches, without having all of them in memory.
        target: The target column; csv and parquet only.
        task: `binary`, `multiclass` or `regression`; inferred from the target if omitted.
        seed: Seed of the splits.
        splits: `one`, `each` or a number of folds such as `5-fold`: see `Splits`; None for `each`, unless the source
            has all parts.
        in_order: Whether the parts follow each other, as the past and the future of a series.
        groups: The column with the group of each sample; csv and parquet only. No group is in two parts.

    Returns:
        The data set of the first execution; its `division` has those of the others.

    Raises:
        UnknownNameError: The source or the task is unknown.
        DataError: The data cannot be read or cannot be learned from.
        UsageError: The function cannot be imported, or the splits contradict the data.

    Example:

    >>> print(load_data("digits").summary)
    digits: 1,797 samples of 8×8×1, multi-class (10 classes) found from the target; 1,077 train /
    360 validation / 360 test; values divided by 16
    """
    raw = read_source(source, target, groups)
    place = f"{raw.name}: the target"
    check_varies(raw.parts["train"][1], place)
    kind = find_target(raw.parts["train"][1], task, place)
    missing = tuple(part for part in PARTS if part not in raw.parts)
    if not missing:
        if splits not in (None, ONE) or in_order or groups is not None:
            raise UsageError(f"{raw.name} has all three parts already, so nothing is divided. Omit splits and groups.")
        return _prepared(raw, kind, raw.parts, _fingerprint(raw), single=True)
    y = raw.parts["train"][1]
    shares = (1.0 - sum(SHARES[1 : 1 + len(missing)]), *SHARES[1 : 1 + len(missing)])
    stratified = kind.task is not Task.REGRESSION and not in_order
    try:
        how = Splits(splits or EACH, len(y), seed, shares, y if stratified else None, raw.groups, in_order)
    except DataError as error:
        raise DataError(f"{raw.name}: {error}") from error
    division = LoadedDivision(raw, kind, how, missing)
    return division.dataset(1)


@dataclass(frozen=True, eq=False)
class LoadedDivision:
    """Divides data from a source for each execution, and scales them by the training part of its split.

    Args:
        raw: The data.
        target: The task and its classes.
        splits: Which samples of the training part of the source are in which part.
        missing: The parts that the source lacks, in the order of the parts of `splits` after the first.
    """

    raw: Raw
    target: Target
    splits: Splits
    missing: tuple[str, ...]

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the undivided data."""
        return _fingerprint(self.raw)

    def __call__(self, execution: int) -> Divided:
        """Returns the data of an execution."""
        data = self.dataset(execution)
        train, validation, test = ((getattr(data, f"x_{part}"), getattr(data, f"y_{part}")) for part in PARTS)
        return Divided(train, validation, test, data.ids["validation"], data.ids["test"])

    def dataset(self, execution: int) -> Dataset:
        """Returns the data set of an execution."""
        parts = dict(self.raw.parts)
        x, y = parts["train"]
        indices = dict(zip(["train", *self.missing], self.splits(execution), strict=True))
        for part, chosen in indices.items():
            parts[part] = (take(x, chosen) if isinstance(x, np.ndarray | Rows) else x.iloc[chosen], y[chosen])
        data = _prepared(self.raw, self.target, parts, self.fingerprint, single=self.splits.kind == ONE)
        ids = {name: indices.get(part, np.arange(len(parts[part][1]))) for name, part in _NAMES.items()}
        return replace(data, division=self, ids=ids)


def _prepared(raw: Raw, kind: Target, parts: Parts, fingerprint: str, *, single: bool) -> Dataset:
    """Encodes and scales the parts; `single` if no other split is compared with them."""
    x, feature_names, notes = _scale_features({part: x for part, (x, _) in parts.items()}, raw, single=single)
    y = {part: kind.encode(y, f"{raw.name}: y_{part}") for part, (_, y) in parts.items()}
    mean, sd = 0.0, 1.0
    if kind.task is Task.REGRESSION:
        y, mean, sd = _scale_target(y, raw, by=y["train"] if single else raw.parts["train"][1].astype(np.float64))
        notes.append("target as given" if raw.prepared else f"target standardised: a mae of 1 is {sd:.4g} of its units")
    sizes = {name: len(y[part]) for name, part in zip(("train", "validation", "test"), PARTS, strict=True)}
    return Dataset(
        name=raw.name,
        task=kind.task,
        x_train=x["train"],
        y_train=y["train"],
        x_val=x["val"],
        y_val=y["val"],
        x_test=x["test"],
        y_test=y["test"],
        num_classes=kind.num_classes,
        fingerprint=fingerprint,
        summary=summarise(raw.name, x["train"].shape[1:], str(kind), sizes, [*raw.notes, *notes]),
        feature_names=feature_names,
        class_names=_class_names(kind, raw),
        target_mean=mean,
        target_sd=sd,
    )


def _scale_features(
    parts: dict[str, Any], raw: Raw, *, single: bool
) -> tuple[dict[str, Array], tuple[str, ...] | None, list[str]]:
    """Returns the float32 features of each part, the feature names, and notes on the scaling."""
    train = parts["train"]
    names: tuple[str, ...] | None = None
    if any(isinstance(part, Rows) for part in parts.values()):
        rows, notes = _scaled_in_place(parts, as_given=raw.prepared)
        return rows, names, notes
    if not isinstance(train, np.ndarray):
        encode: Any = TableEncoder(train, texts=train if single else raw.parts["train"][0])
        names = encode.names
        note = "numbers standardised" + (", text columns one-hot" if encode.text else "")
    elif raw.prepared and train.dtype != np.uint8:
        encode, note = np.asarray, "features as given"
    elif train.ndim == 2:
        encode, note = standard_scaler(train).transform, "features standardised"
    else:
        largest = float(np.abs(train).max())
        scale = largest if largest > 1.0 else 1.0
        note = f"values divided by {scale:g}" if scale != 1.0 else "values as given"

        def encode(part: Array) -> Array:
            return (part if part.dtype.kind == "f" else part.astype(np.float32)) / scale

    with np.errstate(all="ignore"):
        scaled = {part: np.asarray(encode(x)).astype(np.float32) for part, x in parts.items()}
    for part, x in scaled.items():
        if not np.isfinite(x).all():
            raise DataError(f"{raw.name}: x_{part} has values that overflow when they are scaled to float32.")
    return scaled, names, [note]


def _scaled_in_place(parts: dict[str, Any], *, as_given: bool) -> tuple[dict[str, Any], list[str]]:
    """Returns large arrays, whose batches are scaled when they are read, and notes on the scaling."""
    rows = {part: x if isinstance(x, Rows) else Rows(x) for part, x in parts.items()}
    if as_given and rows["train"].dtype != np.uint8:
        return {part: x.scaled(None, 1.0) for part, x in rows.items()}, ["features as given"]
    if rows["train"].ndim == 2:
        scaler = scaler_of(rows["train"].chunks())
        return {part: x.scaled(scaler.mean_, scaler.scale_) for part, x in rows.items()}, ["features standardised"]
    scale = max(1.0, *(float(np.abs(chunk).max()) for chunk in rows["train"].chunks()))
    note = f"values divided by {scale:g}" if scale != 1.0 else "values as given"
    return {part: x.scaled(None, scale) for part, x in rows.items()}, [note]


def _scale_target(parts: dict[str, Array], raw: Raw, *, by: Array) -> tuple[dict[str, Array], float, float]:
    mean, sd = 0.0, 1.0
    with np.errstate(all="ignore"):
        if not raw.prepared:
            mean, sd = float(by.mean()), float(by.std())
        scaled = {part: ((y - mean) / sd).astype(np.float32) for part, y in parts.items()}
    if not (np.isfinite(sd) and all(np.isfinite(y).all() for y in scaled.values())):
        raise DataError(
            f"{raw.name}: the target cannot be scaled to float32: its values are too large, or all equal in the "
            "training part."
        )
    return scaled, mean, sd


def _class_names(kind: Target, raw: Raw) -> tuple[str, ...] | None:
    given = raw.class_names
    return given if given and kind.num_classes == len(given) else kind.class_names


def _fingerprint(raw: Raw) -> str:
    parts = {}
    for part, (x, y) in raw.parts.items():
        parts[part] = {
            "x": x if isinstance(x, np.ndarray | Rows) else {name: x[name].to_numpy() for name in x},
            "y": y,
        }
    return fingerprint(parts)


def load_all(
    source: str, *, target: str | None = None, task: str | None = None, groups: str | None = None
) -> tuple[Dataset, Preparation]:
    """Loads data without dividing it, and scales it by all samples.

    Args:
        source, target, task, groups: As for `load_data`.

    Returns:
        The data set, with all samples in its training part and none in the others, and how they were prepared.

    Raises:
        UnknownNameError, DataError, UsageError: As for `load_data`.

    Example:

    >>> data, prepare = load_all("diabetes")
    >>> data.sizes, prepare.columns[:3]
    ({'train': 442, 'validation': 0, 'test': 0}, ('age', 'sex', 'bmi'))
    """
    raw = read_source(source, target, groups)
    x, y = _joined([part[0] for part in raw.parts.values()]), np.concatenate([part[1] for part in raw.parts.values()])
    check_varies(y, f"{raw.name}: the target")
    kind = find_target(y, task, f"{raw.name}: the target")
    prepare = fit_preparation(x, y, kind, _class_names(kind, raw), prepared=raw.prepared)
    with np.errstate(all="ignore"):
        features = prepare(x)
        targets = kind.encode(y, raw.name)
        if kind.task is Task.REGRESSION:
            targets = ((targets - prepare.target_mean) / prepare.target_sd).astype(np.float32)
    if not (np.isfinite(features).all() and np.isfinite(targets).all()):
        raise DataError(f"{raw.name}: some values overflow when they are scaled to float32.")
    shape, sizes = features.shape[1:], {"train": len(y)}
    dataset = Dataset(
        name=raw.name,
        task=kind.task,
        x_train=features,
        y_train=targets,
        x_val=features[:0],
        y_val=targets[:0],
        x_test=features[:0],
        y_test=targets[:0],
        num_classes=kind.num_classes,
        fingerprint=_fingerprint(raw),
        summary=summarise(raw.name, shape, str(kind), sizes, [*raw.notes, "scaled by all samples"]),
        class_names=_class_names(kind, raw),
        target_mean=prepare.target_mean,
        target_sd=prepare.target_sd,
    )
    return dataset, prepare


def _joined(parts: list[Any]) -> Any:
    if any(isinstance(part, Rows) for part in parts):  # a refit has them in memory
        return np.concatenate([np.asarray(part) for part in parts])
    if len(parts) == 1:
        return parts[0]
    import pandas as pd

    return np.concatenate(parts) if isinstance(parts[0], np.ndarray) else pd.concat(parts, ignore_index=True)
