"""Small searches through `ActivationTuner`."""

import actsearch
from tests.helpers.networks import small_network

CLASSIC = {"activations": ["relu", "tanh"]}


def tuner_for(build=small_network, **options) -> actsearch.ActivationTuner:
    options = {"epochs": 2, "executions": 2, "directory": "found", "verbose": 0, **options}
    return actsearch.ActivationTuner(build, **options)


def classic(hp):
    return small_network(hp, CLASSIC)


def run_search(tuner, digits, **options):
    x, y = digits
    data = {"validation_data": (x[300:450], y[300:450]), "test_data": (x[450:], y[450:])}
    return tuner.search(x[:300], y[:300], **{**data, **options})
