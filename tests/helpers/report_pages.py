"""Records of searches of all kinds, as pages show them: made up, since a page does not know who trained."""

import random
from dataclasses import replace
from itertools import product

from actsearch.records import SearchRecord
from actsearch.visualization._style import KNOWN
from tests.helpers.factories import LOSS, diagnosed, search, trial
from tests.helpers.joint import grid, joint_search

VALUE = {"relu": 0.0, "prelu": 0.004, "selu": 0.01}
SITES = ("dense", "dense_1", "dense_2")


def five() -> SearchRecord:
    """A search of the usual size."""
    return _of(KNOWN[:5])


def many() -> SearchRecord:
    """22 activations, one of which does not learn, and one whose executions failed."""
    return _of(KNOWN[:22], failing="softplus", hopeless="linear")


def regression() -> SearchRecord:
    """A loss, of which smaller values are better."""
    draw = random.Random(1)
    scores = {name: [0.5 - n / 40 + draw.gauss(0, 0.01) for _ in range(5)] for n, name in enumerate(KNOWN[:5])}
    return search(scores, objective=LOSS, name="regression")


def per_layer() -> SearchRecord:
    """An activation for each of three layers."""
    draw, made = random.Random(2), []
    for number, names in enumerate(product(VALUE, repeat=len(SITES))):
        label = names[0] if len(set(names)) == 1 else "→".join(names)
        scores = [0.9 + VALUE[names[0]] - VALUE[names[2]] / 2 + draw.gauss(0, 0.002) for _ in range(3)]
        known = {site: {"name": name, "parameters": {}} for site, name in zip(SITES, names, strict=True)}
        values = {f"activation.{site}": name for site, name in zip(SITES, names, strict=True)}
        made.append(replace(trial(str(number), label, scores, hyperparameters=values), activations=known))
    return search(made, name="per_layer")


def joint() -> SearchRecord:
    """Four activations with three settings each of two hyperparameters."""
    values = grid(
        {"activation": ("relu", "elu", "selu", "tanh"), "learning_rate": (0.0003, 0.001, 0.003), "units": (32, 128)}
    )

    def score(each):
        off = abs({0.0003: -1, 0.001: 0, 0.003: 1}[each["learning_rate"]] - (each["activation"] == "selu"))
        return 0.95 - 0.02 * off + 0.01 * (each["units"] == 128)

    return joint_search(values, score, noise=0.002, name="joint")


def _of(names, *, failing=None, hopeless=None) -> SearchRecord:
    draw, made = random.Random(0), []
    for number, name in enumerate(names):
        level = 0.1 if name == hopeless else 0.96 + 0.002 * (number % 7)
        scores = [None if name == failing else level + draw.gauss(0, 0.004) for _ in range(5)]
        one = trial(str(number), name, scores, seconds=1.0 + number % 5 / 10)
        sites = {site: (draw.random() / 5, 10 ** draw.gauss(0, 0.5)) for site in SITES}
        made.append(one if name == failing else diagnosed(one, sites))
    return search(made, name=f"{len(names)} activations")


KINDS = {"five": five, "many": many, "regression": regression, "per_layer": per_layer, "joint": joint}
