"""Populations that data sets are drawn from, so that the mean over new data is known: large enough to be unlimited.

`mnist1d` follows the published recipe of Greydanus & Kobak 2020 (arXiv 2011.14439), written anew: ten templates of 12
points, padded, dilated, scaled, translated, sheared, with correlated and independent noise, at 40 points.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from sklearn.datasets import make_classification

SIZE = 300_000
TEMPLATES = """
5 6 6.5 6.75 7 7 7 7 6.75 6.5 6 5 / 5 3 3 3.4 3.8 4.2 4.6 5 5.4 5.8 5 5 / 5 6 6.5 6.5 6 5.25 4.75 4 3.5 3.5 4 5
5 6 6.5 6.5 6 5 5 6 6.5 6.5 6 5 / 5 4.4 3.8 3.2 2.6 2.6 5 5 5 5 5 5 / 5 3 3 3 3 5 6 6.5 6.5 6 4.5 5
5 4 3.5 3.25 3 3 3 3 3.25 3.5 4 5 / 5 7 7 6.6 6.2 5.8 5.4 5 4.6 4.2 5 5 / 5 4 3.5 3.5 4 5 5 4 3.5 3.5 4 5
5 4 3.5 3.5 4 5 5 5 5 4.7 4.3 5
"""
PADDING, LENGTH, POINTS = (36, 60), 72, 40
SCALE, SHEAR, TRANSLATION, CORRELATED, INDEPENDENT = 0.4, 0.75, 48, 0.25, 0.02


@dataclass(frozen=True)
class Population:
    """All samples that there are: x of shape (size, features), y of shape (size,); no classes in regression."""

    x: NDArray[np.float32]
    y: NDArray[np.float32]
    num_classes: int | None


def population(name: str, size: int = SIZE) -> Population:
    """Returns a population; it is always the same one."""
    return {"mnist1d": _mnist1d, "classification": _classification, "regression": _regression}[name](size)


def _mnist1d(size: int) -> Population:
    rng = np.random.default_rng(2020)
    dilated = _dilated()
    y = rng.integers(0, 10, size)
    x = np.empty((size, POINTS), np.float32)
    for rows in np.array_split(np.arange(size), max(size // 20_000, 1)):
        x[rows] = _signals(rng, dilated, y[rows])
    x -= x.mean()
    return Population(x / x.std(), y.astype(np.float32), 10)


def _dilated() -> NDArray[np.float64]:
    """The templates with each length of padding, shape (10, paddings, length)."""
    rows = [[float(v) for v in row.split()] for row in TEMPLATES.replace("\n", "/").split("/") if row.strip()]
    shape = np.array(rows)
    shape = (shape - shape.mean(1, keepdims=True)) / shape.std(1, keepdims=True)
    shape = (shape - shape[:, :1]) / 6 + 1e-8
    grid = np.linspace(0, 1, LENGTH)
    lengths = [shape.shape[1] + p for p in range(PADDING[0], PADDING[1] + 1)]
    return np.array(
        [[np.interp(grid, np.linspace(0, 1, n), np.pad(s, (0, n - len(s)))) for n in lengths] for s in shape]
    )


def _signals(rng: np.random.Generator, dilated: NDArray[np.float64], y: NDArray[np.int64]) -> NDArray[np.float64]:
    num = len(y)
    signal = dilated[y, rng.integers(0, dilated.shape[1], num)] * (1 + SCALE * (rng.random((num, 1)) - 0.5))
    moved = (np.arange(LENGTH) - rng.integers(0, TRANSLATION, (num, 1))) % LENGTH
    signal = np.take_along_axis(signal, moved, 1)
    noise = gaussian_filter1d(CORRELATED * rng.standard_normal((num, LENGTH)), 2, axis=1)
    signal = np.where(signal != 0, signal, noise) + INDEPENDENT * rng.standard_normal((num, LENGTH))
    signal -= SHEAR * (rng.random((num, 1)) - 0.5) * np.linspace(-0.5, 0.5, LENGTH)
    at = np.linspace(0, LENGTH - 1, POINTS)
    left = np.minimum(at.astype(int), LENGTH - 2)
    return signal[:, left] + (at - left) * (signal[:, left + 1] - signal[:, left])


def _classification(size: int) -> Population:
    """Two classes of three clusters each, in 8 of 20 features; a tenth of the labels is drawn anew."""
    x, y = make_classification(
        size, 20, n_informative=8, n_redundant=4, n_clusters_per_class=3, flip_y=0.1, class_sep=0.9, random_state=7
    )
    return Population((x / x.std(0)).astype(np.float32), y.astype(np.float32), 2)


def _regression(size: int) -> Population:
    """Friedman's function of 5 of 10 features, with noise that has Student's distribution with 3 degrees of freedom."""
    rng = np.random.default_rng(1991)
    x = rng.random((size, 10))
    mean = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    y = mean + rng.standard_t(3, size)
    return Population(((x - 0.5) * np.sqrt(12)).astype(np.float32), ((y - 14.4) / 5).astype(np.float32), None)
