"""The searches of one cell (a population and a number of samples), kept on disk: training them takes the time.

Each search draws a data set; 60 % of it trains, 20 % validates, 20 % tests. `each`: every execution has a division of
its own; `one`: all have that of the first, and differ by seed; `5-fold`: each sample is tested once per repetition.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from coverage_data import SIZE, Population, population
from coverage_networks import ARMS, Job, Trainer
from numpy.typing import NDArray

SPLITS = ("each", "one", "5-fold")
FOLDS = 5
FRESH = 2_000  # samples that each draw of the truth is tested on


@dataclass(frozen=True)
class Cell:
    """A population's name, the number of samples, executions per search, searches, and draws of the truth."""

    name: str
    num_samples: int
    executions: int
    searches: int
    draws: int

    @property
    def label(self) -> str:
        """Name of its file."""
        return f"{self.name}-{self.num_samples}"


@dataclass(frozen=True)
class Searches:
    """What a cell found.

    Args:
        tested: Indices within the data set of the tested samples, shape (splits, searches, J, m).
        scores: Their score for each arm, shape (splits, searches, J, arms, m); losses: the same of their loss.
        truth: Mean scores and mean losses of independent draws on fresh samples, shape (draws, arms, 2).
        seconds: Time it took.
    """

    tested: NDArray[np.int16]
    scores: NDArray[np.float32]
    losses: NDArray[np.float32]
    truth: NDArray[np.float64]
    seconds: NDArray[np.float64]


def load_or_train(cell: Cell, cache: Path) -> Searches:
    """Returns the searches of a cell; trains them if no file has them."""
    path = cache / f"{cell.label}.npz"
    if not path.exists():
        found = _train(cell)
        cache.mkdir(parents=True, exist_ok=True)
        np.savez(path, **{f.name: getattr(found, f.name) for f in fields(found)})
    with np.load(path) as stored:
        return Searches(**{f.name: stored[f.name] for f in fields(Searches)})


def _train(cell: Cell) -> Searches:
    began = time.perf_counter()
    data = population(cell.name)
    trainer = Trainer(data, cell.num_samples)
    num_test = cell.num_samples // FOLDS
    shape = (len(SPLITS), cell.searches, cell.executions)
    orders, jobs = zip(*_jobs(cell), strict=True)
    scores = np.empty((len(jobs), len(ARMS), num_test), np.float32)
    losses = np.empty_like(scores)
    for i, (score, loss) in enumerate(trainer.judged_values(list(jobs))):
        scores[i], losses[i] = score, loss
    truth = [
        (s.mean(1, dtype=float), v.mean(1, dtype=float)) for s, v in trainer.judged_values(list(_draws(cell, data)))
    ]
    return Searches(
        np.reshape(orders, (*shape, num_test)).astype(np.int16),
        scores.reshape(*shape, *scores.shape[1:]),
        losses.reshape(*shape, *losses.shape[1:]),
        np.array(truth).transpose(0, 2, 1),
        np.array(time.perf_counter() - began),
    )


def _seed(cell: Cell, *more: int) -> tuple[int, ...]:
    return (*cell.label.encode(), *more)


def _jobs(cell: Cell) -> Iterator[tuple[NDArray[np.int64], Job]]:
    """Yields for each split, search and execution the tested indices and the job."""
    for s in range(len(SPLITS)):
        for search in range(cell.searches):
            rng = np.random.default_rng(_seed(cell, 0, search))
            rows = rng.choice(SIZE, cell.num_samples, replace=False, shuffle=False)
            for j, order in enumerate(_orders(rng, SPLITS[s], cell)):
                parts = np.split(order, [cell.num_samples * 3 // 5, cell.num_samples * 4 // 5])
                yield parts[2], Job(_seed(cell, 1, search, j), *(rows[part] for part in parts))


def _orders(rng: np.random.Generator, split: str, cell: Cell) -> Iterator[NDArray[np.int64]]:
    """Yields for each execution the samples in order: training part, validation part, test part."""
    num = cell.num_samples
    first = rng.permutation(num)
    for j in range(cell.executions):
        if split == "5-fold":
            first = rng.permutation(num) if j and j % FOLDS == 0 else first
            yield np.roll(first, num // FOLDS * (j % FOLDS))
        else:
            yield rng.permutation(num) if j and split == "each" else first


def _draws(cell: Cell, data: Population) -> Iterator[Job]:
    """Yields executions on data sets and samples of their own."""
    num_train, num_validation = cell.num_samples * 3 // 5, cell.num_samples // 5
    for draw in range(cell.draws):
        rng = np.random.default_rng(_seed(cell, 2, draw))
        rows = rng.choice(len(data.y), num_train + num_validation + FRESH, replace=False, shuffle=False)
        yield Job(_seed(cell, 3, draw), *np.split(rows, [num_train, num_train + num_validation]))
