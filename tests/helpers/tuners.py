"""KerasTuner's tuners with our tracking, on small networks."""

import keras_tuner

import actsearch
from actsearch.ledger import Ledger
from tests.helpers.networks import small_network

CLASSIC = {"activations": ["relu", "tanh"], "hyperparameters": {}}


def build(hp):
    hp.Float("unused", 0.0, 1.0)
    return small_network(hp, CLASSIC)


class Random(actsearch.MLflowTracking, keras_tuner.RandomSearch):
    pass


def read(tuner):
    """What the ledger of a tuner has."""
    return Ledger(tuner.project_dir).read()


def run(kind, digits, *, make=build, **options):
    x, y = digits
    defaults = {"objective": "val_accuracy", "directory": "kt", "project_name": "one", "seed": 3}
    tuner = kind(make, **{**defaults, **options})
    fit = {"epochs": 2} if not issubclass(kind, keras_tuner.Hyperband) else {}
    tuner.search(x[:200], y[:200], validation_data=(x[200:300], y[200:300]), verbose=0, **fit)
    return tuner
