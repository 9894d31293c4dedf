"""Scores of searches of five activations of which the verdict is known, and of several configurations each."""

import numpy as np

from tests.helpers.factories import search, trial

SEEDS = 0.9 + 0.004 * np.random.default_rng(0).standard_normal(20)


def around(difference, spread=0.003, count=20, seed=1):
    """Scores around the baseline's, by seed."""
    return (SEEDS[:count] + difference + spread * np.random.default_rng(seed).standard_normal(count)).tolist()


SCORES = {
    "relu": SEEDS.tolist(),
    "selu": around(0.012),
    "elu": around(0.0, spread=0.002),
    "tanh": around(-0.02),
    "gelu": around(0.003, spread=0.008, seed=2),
}


def outcomes(verdict):
    """The outcome of each activation."""
    return {f.activation: f.outcome.value for f in verdict.comparisons}


def joint(configurations_of, count=15):
    """Several configurations for each activation: relu and selu equal at their best, which is number 1 of each."""
    rng = np.random.default_rng(4)
    common = 0.9 + 0.004 * rng.standard_normal(count)
    made = []
    for name, number in configurations_of.items():
        for setting in range(number):
            level = {0: -0.05, 1: 0.0}.get(setting, -0.02) + (0.01 if name == "gelu" else 0.0)
            scores = (common + level + 0.001 * rng.standard_normal(count)).tolist()
            values = {"activation": name, "learning_rate": 0.001 * (setting + 1)}
            made.append(trial(str(len(made)), name, scores, hyperparameters=values))
    return search(made)
