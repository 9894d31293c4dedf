"""Executions of a small network, one after the other."""

from collections.abc import Callable
from typing import Any

import keras_tuner

from actsearch.records import ExecutionRequest
from actsearch.training.array_loop import order_of
from actsearch.training.execution import Executions, Trained
from tests.helpers.factories import ACCURACY
from tests.helpers.networks import small_network


def request(activation="relu", *, execution=1, seed=5, epochs=3, **values) -> ExecutionRequest:
    """One execution of a small network."""
    return ExecutionRequest("0", execution, seed, epochs, {"activation": activation, **values})


def run_executions(data, *requests, build=small_network, objective=ACCURACY, **options) -> list[Trained]:
    """What executions leave that run one after the other, as those of one search do."""
    executions = Executions(build, data, objective, **options)
    return [executions.run(each) for each in requests]


def hyperparameters(activation) -> keras_tuner.HyperParameters:
    """As a build function gets them for an activation."""
    hp = keras_tuner.HyperParameters()
    hp.values = {"activation": activation}
    return hp


def interrupted_in(epoch: int) -> Callable[..., Any]:
    """An `order_of` in which Ctrl-C is pressed when the order of this epoch of the search is drawn."""
    begun: list[tuple[Any, ...]] = []

    def order(*arguments: Any) -> Any:
        begun.append(arguments)
        if len(begun) == epoch:
            raise KeyboardInterrupt
        return order_of(*arguments)

    return order
