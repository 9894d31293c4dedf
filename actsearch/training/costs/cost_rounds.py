"""Measures times of traced models in turns, so that whatever slows the machine down slows all of them alike.

In each round every model trains some batches and predicts one a few times, in random order. However long a turn is,
its time is off by about a tenth of a millisecond; so turns are as long as the budget allows in enough rounds. A call of
a TensorFlow function takes half a millisecond, as long as a small step; it is measured with no batch and subtracted
from training steps. For inference it counts, as it does for whoever predicts one batch. Small models predict on the
executor that trains them: handing single operations to other threads made times vary twice as much from round to round.
"""

import gc
import math
import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from actsearch.errors import summarize
from actsearch.records import CostMeasurement
from actsearch.training.epochs import CompiledEpochs, executing
from actsearch.training.model_cache import BuiltModel, Forward, keeping_state
from actsearch.training.one_thread import runs_on_one_thread

MIN_ROUNDS, MAX_ROUNDS = 6, 200  # with fewer than 6, no interval of the median has a level of 95 %
_ROUNDS = 40  # as many as turns are made long for
_TURN_SECONDS = (0.0025, 0.015)  # of one model in a round: at least, at most
_SHARE_OF_TRAINING = 0.6  # of a turn
_SHORT_SECONDS = 0.05
STANDARD_ERROR = 0.01  # of the logarithm of a ratio
_ERROR_OF_MEDIAN = 1.25 * 1.48  # of normal values, for each of their median absolute deviations


class Budget(NamedTuple):
    """Seconds that a measurement takes, and at most, if times vary so much that ratios are not known well yet."""

    usual: float
    most: float


def budget_after(seconds: float) -> Budget:
    """Returns what a measurement may take after a search of so many seconds: 1 %, of a short one up to 5 %.

    After 20 s, it may take up to 3 s.

    Example:

    >>> budget_after(2.0), budget_after(20.0)
    (Budget(usual=0.1, most=0.1), Budget(usual=1.0, most=3.0))
    """
    usual = max(0.01 * seconds, min(0.05 * seconds, 1.0))
    return Budget(usual, max(usual, 3.0) if usual >= 1.0 else usual)


def measure_in_turns(models: Mapping[str, BuiltModel], *, budget: Budget) -> CostMeasurement:
    """Measures a training step and inference of each model in turns; the models are left as they were.

    Args:
        models: Traced models by trial id; those that share a trace are measured once.
        budget: Seconds that it may take; rounds end when they are used up, or the ratios are known well.

    Returns:
        The times, or the reason why there are none.
    """
    at, began = time.time(), time.perf_counter()
    distinct = {id(built.model): built for built in models.values()}
    rounds: list[dict[int, _Times]] = []
    reason = f"{MIN_ROUNDS} rounds would have taken too large a share of the search's time"
    try:
        with _undisturbed(list(distinct.values())):
            rounds = _rounds(distinct, began + budget.usual, began + budget.most)
    except Exception as error:  # noqa: BLE001  the results are there; what they lack is said
        reason = summarize(error)
    seconds = time.perf_counter() - began
    if not rounds:
        return CostMeasurement(at, seconds, reason=reason)
    times = {trial: [each[id(built.model)] for each in rounds] for trial, built in models.items()}
    return CostMeasurement(
        at,
        seconds,
        train_microseconds={trial: tuple(each.train for each in own) for trial, own in times.items()},
        cpu_microseconds={trial: tuple(each.cpu for each in own) for trial, own in times.items()},
        inference_microseconds={trial: tuple(each.inference for each in own) for trial, own in times.items()},
    )


class _Times(NamedTuple):
    """Microseconds per sample of one model in one round."""

    train: float
    cpu: float
    inference: float


class _Seconds(NamedTuple):
    wall: float
    cpu: float


class _Plan(NamedTuple):
    """What each model does in a round, and what a call without any batch takes."""

    num_steps: int
    num_predictions: int
    predicts_on: str | None
    call: _Seconds
    expected_seconds: float


@contextmanager
def _undisturbed(models: Sequence[BuiltModel]) -> Iterator[None]:
    """Keeps the state of models, and Python from collecting garbage, in the block."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        with ExitStack() as stack:
            for built in models:
                stack.enter_context(keeping_state(built.model))
            yield
    finally:
        if enabled:
            gc.enable()


def _rounds(models: Mapping[int, BuiltModel], deadline: float, latest: float) -> list[dict[int, _Times]]:
    """Runs rounds until the deadline, or until ratios are known well; none if there is no time for enough of them."""
    plan = _plan(list(models.values()), deadline)
    if MIN_ROUNDS * plan.expected_seconds * len(models) > 2 * max(deadline - time.perf_counter(), _SHORT_SECONDS):
        return []
    turns = {key: _turn(built, plan) for key, built in models.items()}
    order, rng = list(turns), random.Random(0)
    rounds: list[dict[int, _Times]] = []
    while len(rounds) < MAX_ROUNDS:
        now = time.perf_counter()
        if len(rounds) >= MIN_ROUNDS and (now > latest or (now > deadline and _are_known(rounds))):
            break
        rng.shuffle(order)
        rounds.append({key: turns[key]() for key in order})
    return rounds


def _are_known(rounds: Sequence[Mapping[int, _Times]]) -> bool:
    """Returns whether the median ratios of all models to the first have a small standard error."""
    times = np.log(np.maximum([list(each.values()) for each in map(_sorted, rounds)], 1e-9))  # (rounds, models, kinds)
    ratios = times[:, 1:] - times[:, :1]
    deviations = np.median(np.abs(ratios - np.median(ratios, axis=0)), axis=0)
    return bool(np.all(_ERROR_OF_MEDIAN * deviations <= STANDARD_ERROR * math.sqrt(len(rounds))))


def _sorted(times: Mapping[int, _Times]) -> dict[int, _Times]:
    return dict(sorted(times.items()))


def _plan(models: Sequence[BuiltModel], deadline: float) -> _Plan:
    """Chooses the same number of batches for all models, by what a step takes and how much time there is."""
    epochs = [_epochs(built) for built in models]
    idle = [_timed(run) for run in [each.steps(0) for each in epochs] for _ in range(3)]
    call = _Seconds(*(statistics.median(column) for column in zip(*idle, strict=True)))
    ones = [min(_timed(run).wall for _ in range(2)) for run in [each.steps(1) for each in epochs]]
    step = max(statistics.median(ones) - call.wall, 0.02 * call.wall)
    executor = _executor_of_predictions(models)
    forward = statistics.median(min(_timed(_predicting(each, 1, executor)).wall for _ in range(2)) for each in models)
    shortest, longest = _TURN_SECONDS
    turn = min(max((deadline - time.perf_counter()) / (_ROUNDS * len(models)), shortest), longest)
    num_steps = min(round(_SHARE_OF_TRAINING * turn / step) or 1, *(each.max_steps for each in epochs))
    num_predictions = round((1 - _SHARE_OF_TRAINING) * turn / forward) or 1
    expected = call.wall + num_steps * step + num_predictions * forward
    return _Plan(num_steps, num_predictions, executor, call, expected)


def _executor_of_predictions(models: Sequence[BuiltModel]) -> str | None:
    """Returns the executor that trains all models, if it can run all forward passes too; None for the default."""
    names = {_epochs(built).executor for built in models}
    if len(names) > 1 or not all(runs_on_one_thread(_forward(built).traced) for built in models):
        return None
    try:
        for built in models:
            _predicting(built, 1, *names)()
    except tf.errors.FailedPreconditionError:  # a function inside is bound to the default one
        return None
    return names.pop()


def _turn(built: BuiltModel, plan: _Plan) -> Callable[[], _Times]:
    """Returns the function that measures one model in one round."""
    epochs = _epochs(built)
    train, predict = epochs.steps(plan.num_steps), _predicting(built, plan.num_predictions, plan.predicts_on)
    num_trained = plan.num_steps * epochs.num_in_batch
    num_predicted = plan.num_predictions * _forward(built).num_samples

    def measure() -> _Times:
        trained, predicted = _timed(train), _timed(predict)
        steps = (max(all_ - call, 0.1 * all_) for all_, call in zip(trained, plan.call, strict=True))
        wall, cpu = (1e6 * seconds / num_trained for seconds in steps)
        return _Times(wall, cpu, 1e6 * predicted.wall / num_predicted)

    return measure


def _epochs(built: BuiltModel) -> CompiledEpochs:
    assert built.epochs is not None
    return built.epochs


def _forward(built: BuiltModel) -> Forward:
    assert built.forward is not None
    return built.forward


def _predicting(built: BuiltModel, count: int, executor: str | None) -> Callable[[], None]:
    predict = _forward(built)

    def run() -> None:
        with executing(executor):
            for _ in range(count):
                outputs = predict()
        np.asarray(tf.nest.flatten(outputs)[0])

    return run


def _timed(run: Callable[[], None]) -> _Seconds:
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return _Seconds(time.perf_counter() - wall, time.process_time() - cpu)
