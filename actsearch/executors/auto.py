"""Whether local workers would end a search earlier than this process: decided before anything is trained."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from actsearch.config import EXECUTIONS, SearchConfig

if TYPE_CHECKING:
    import keras

    from actsearch.training.data import TrainingData

START_SECONDS = 4.0  # until the first worker trains
EFFICIENCY = 0.8  # throughput of two workers, each on one core, per worker: benchmarks/workers.py
WORKER_BYTES = 400_000_000  # of a worker, without its copy of the data
MIN_GAIN = 1.25  # estimates are rough, and only one process measures times in turns

# Measured on two cores of a server.
_TRACE_SECONDS = 0.08  # of a trial, for each of its weights
_EXECUTION_SECONDS = 0.05  # of an execution, besides its epochs
_STEP_SECONDS = 2.5e-4  # of a batch, besides its multiplications
_FIT_STEP_SECONDS = 2e-3  # the same in `model.fit`
_MULTIPLICATIONS_PER_SECOND = 2e10  # of a core


@dataclass(frozen=True)
class Workload:
    """What a search has to do, as far as it is known before.

    Args:
        num_concurrent: Number of executions that can run concurrently, however many workers there are.
        seconds: Estimated time in one process; infinite if the search has no end.
        fills_cores: Whether one training uses all cores by itself.
        data_bytes: Size of the data, of which each worker has a copy.
        obstacle: Why workers cannot help, if so.
    """

    num_concurrent: float
    seconds: float
    fills_cores: bool = False
    data_bytes: int = 0
    obstacle: str | None = None


def choose_num_workers(work: Workload, num_cores: int, free_bytes: int) -> tuple[int, str]:
    """Returns the number of local workers that would end a search earliest, 0 for none, and the reason.

    Args:
        work: What the search has to do.
        num_cores: Number of cores that this process may use.
        free_bytes: Memory that is available.

    Example:

    >>> choose_num_workers(Workload(5, seconds=300.0), num_cores=2, free_bytes=10**10)
    (2, 'one process would take an estimated 5 min, and a training uses one core')
    >>> choose_num_workers(Workload(5, seconds=12.0), num_cores=2, free_bytes=10**10)
    (0, 'it takes an estimated 12 s, and 2 workers would take 4 s to start')
    """
    if work.obstacle is not None:
        return 0, work.obstacle
    if num_cores == 1:
        return 0, "only one core is available"
    if work.fills_cores:
        return 0, "a training of this model uses all cores"
    num = int(min(num_cores, work.num_concurrent))
    if num < 2:
        return 0, "there are no two executions that could run concurrently"
    needed = WORKER_BYTES + work.data_bytes
    num = min(num, free_bytes // needed)
    if num < 2:
        return 0, f"two workers need some {_gigabytes(2 * needed)} of memory, and {_gigabytes(free_bytes)} are free"
    if work.seconds < MIN_GAIN * (START_SECONDS + work.seconds / (EFFICIENCY * num)):
        start = f"{num} workers would take {START_SECONDS:.0f} s to start"
        return 0, f"it takes an estimated {_shown(work.seconds)}, and {start}"
    took = "would not end" if math.isinf(work.seconds) else f"would take an estimated {_shown(work.seconds)}"
    return num, f"one process {took}, and a training uses one core"


def workload_of(
    model: "keras.Model",
    data: "TrainingData",
    config: SearchConfig,
    *,
    num_trials: int | None,
    learns: bool = False,
    is_fit: bool = False,
) -> Workload:
    """Estimates what a whole search has to do.

    Args:
        model: A model of the search.
        data: Training data.
        config: Numbers of the search.
        num_trials: Number of trials; None if the search has no end.
        learns: Whether the oracle needs the score of each trial before it proposes the next.
        is_fit: Whether `model.fit` or a `fit` of the user's own trains.
    """
    import tensorflow as tf

    from actsearch.training.epochs import executor_for, num_multiplications

    multiplications = num_multiplications(model)
    num_steps, num_in_batch = _batches_of(data, config.batch_size)
    obstacle = None
    if tf.config.list_logical_devices("GPU"):
        obstacle = "TensorFlow uses a GPU"
    elif learns:
        obstacle = "the oracle proposes a trial when it knows the score of the previous one"
    elif multiplications is None:
        obstacle = "the size of a subclassed model is unknown"
    elif num_steps is None:
        obstacle = "the number of batches in an epoch is unknown"
    computed = 3 * (multiplications or 0) * num_in_batch / _MULTIPLICATIONS_PER_SECOND  # forwards and backwards
    step = computed + (_FIT_STEP_SECONDS if is_fit else _STEP_SECONDS)
    num, trials = _executions_of(config), math.inf if num_trials is None else num_trials
    execution = _EXECUTION_SECONDS + config.epochs * (num_steps or 0) * step
    total = trials * (_TRACE_SECONDS * len(model.weights) + num * execution)
    return Workload(
        num_concurrent=trials * (num if config.allocation == "fixed" else 1),
        seconds=min(total, config.time_budget or math.inf),
        fills_cores=executor_for(model, num_in_batch) is None,
        data_bytes=_num_bytes(data),
        obstacle=obstacle,
    )


def _executions_of(config: SearchConfig) -> float:
    """Returns the number of executions of a trial, in units of those with all epochs; at least, in a race."""
    if config.allocation == "halving" and config.rungs and config.factor:
        return (config.executions or 1) * config.rungs / config.factor ** (config.rungs - 1)
    return config.executions or EXECUTIONS


def _batches_of(data: "TrainingData", batch_size: int) -> tuple[int | None, int]:
    """Returns the number of batches in an epoch, None if it is unknown, and the number of samples in a batch."""
    import keras

    from actsearch.training.datasets.pipeline import len_of

    num_samples = len_of(keras.tree.flatten(data.x if data.are_arrays else data.probe()[0])[0])
    if data.are_arrays:
        return math.ceil(num_samples / batch_size), batch_size
    if data.pipeline is not None:
        return data.pipeline.steps or data.pipeline.cardinality, num_samples
    is_sequence = isinstance(data.x, keras.utils.PyDataset)
    return data.fit_options.get("steps_per_epoch") or (data.x.num_batches if is_sequence else None), num_samples


def _num_bytes(data: "TrainingData") -> int:
    """Returns the size of the arrays that a worker holds in memory."""
    import keras
    import numpy as np

    parts = keras.tree.flatten([data.x, data.y, data.validation, data.test])
    return sum(part.nbytes for part in parts if isinstance(part, np.ndarray))


def _shown(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.0f} h"


def _gigabytes(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:.1f} GB"
