"""Scores of simulated executions: arrays (repetitions, seeds, trials), larger is better, standard deviation 1."""

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

Array = NDArray[np.float64]
TABLE = Path(__file__).with_name("squeezenet_cifar10_23_runs.csv")
SAMPLES = 400
ACCURACY = 0.9


def means(trials: int, *, equal: bool) -> Array:
    """The baseline first; then one trial 1 SD better, half of all 1 SD worse, and the rest equal; or all equal."""
    values = np.zeros(trials)
    if not equal:
        values[1] = 1.0
        values[2 : 2 + trials // 2] = -1.0
    return values


def _normal(rng: np.random.Generator, shape: tuple[int, int, int], correlation: float) -> Array:
    """Standard normal scores; those of one seed have this correlation."""
    seed = rng.standard_normal((*shape[:2], 1))
    return np.sqrt(correlation) * seed + np.sqrt(1 - correlation) * rng.standard_normal(shape)


def gaussian(rng: np.random.Generator, repetitions: int, seeds: int, mean: Array, correlation: float) -> Array:
    """Normal scores."""
    return _normal(rng, (repetitions, seeds, mean.size), correlation) + mean


def skewed(rng: np.random.Generator, repetitions: int, seeds: int, mean: Array, correlation: float) -> Array:
    """Mirrored exponential scores: most runs end close to the best one, a few far below."""
    z = _normal(rng, (repetitions, seeds, mean.size), correlation)
    return 1 + special.log_ndtr(z) + mean


def heavy_tailed(rng: np.random.Generator, repetitions: int, seeds: int, mean: Array, correlation: float) -> Array:
    """Student's t with 3 degrees of freedom, scaled to unit variance."""
    z = _normal(rng, (repetitions, seeds, mean.size), correlation)
    grid = np.linspace(-6, 6, 4001)
    return np.interp(z, grid, special.stdtrit(3, special.ndtr(grid))) / np.sqrt(3) + mean


def accuracy(rng: np.random.Generator, repetitions: int, seeds: int, mean: Array, correlation: float) -> Array:
    """Accuracy on 400 samples around 90 %: whole numbers of right answers; 1 SD is that of the binomial."""
    u = special.ndtr(_normal(rng, (repetitions, seeds, mean.size), correlation))
    sd = np.sqrt(ACCURACY * (1 - ACCURACY) / SAMPLES)
    counts = np.arange(SAMPLES + 1)
    scores = np.empty_like(u)
    for trial, shift in enumerate(mean):
        below = stats.binom.cdf(counts, SAMPLES, ACCURACY + shift * sd)
        scores[:, :, trial] = np.searchsorted(below, u[:, :, trial]) / SAMPLES
    return scores


STREAMS = {"gaussian": gaussian, "skewed": skewed, "heavy_tailed": heavy_tailed, "accuracy_400": accuracy}
FLOORS = {"accuracy_400": 1 / SAMPLES}


def published() -> tuple[list[str], Array, Array]:
    """Names, means and standard deviations of the published table, ReLU first, in points of accuracy."""
    with TABLE.open() as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["activation"] != "ReLU")
    mean = np.array([float(row["mean_accuracy"]) for row in rows])
    return [row["activation"] for row in rows], mean, np.array([float(row["sd_accuracy"]) for row in rows])


def published_scores(
    rng: np.random.Generator, repetitions: int, seeds: int, mean: Array, sd: Array, correlation: float
) -> Array:
    """Normal scores with the given means and standard deviations."""
    return mean + sd * _normal(rng, (repetitions, seeds, mean.size), correlation)


def stress(rng: np.random.Generator, repetitions: int, seeds: int, trials: int) -> dict[str, Array]:
    """Equal means where the assumptions are strained or broken."""
    shape = (repetitions, seeds, trials)
    mirrored = rng.exponential(size=shape) - 1
    mirrored[:, :, ::2] *= -1
    spread = np.r_[1.0, 10.0, np.full(trials - 3, 1.0), 0.1]
    return {
        "accuracy on 60 samples, 97 %": rng.binomial(60, 0.97, shape) / 60,
        "accuracy on 100 samples, 99 %": rng.binomial(100, 0.99, shape) / 100,
        "standard deviations from 0.1 to 10": rng.standard_normal(shape) * spread,
        "mirrored lognormal": -np.exp(rng.standard_normal(shape)),
        "exponential, half of the trials mirrored": mirrored,
        "mirrored exponential, standard deviations from 0.1 to 10": (1 - rng.exponential(size=shape)) * spread,
    }
