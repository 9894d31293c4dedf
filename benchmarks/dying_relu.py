"""Which activations die of a high learning rate, and of negative biases on top?

    python benchmarks/dying_relu.py [--out benchmarks/results/dying_relu.json]    # 5 minutes on one core

Networks of 3 × 64 units on handwritten digits, each with the initializer that is matched to its activation, are trained
for 5 epochs and diagnosed. First ReLU at rising rates, biases at 0: the limits in
rest on these figures. Then ReLU and three activations that are not flat below zero, on the same seeds, with biases that
begin at -0.5 and Adam at 0.03: `diagnose` must find most units dead for ReLU, and none for the others.
"""

import argparse
import json
import os
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from actsearch._startup import load_tensorflow
from actsearch.activations import get
from actsearch.activations.initializers import matched_initializer
from actsearch.diagnostics.health import diagnose

load_tensorflow()

import keras  # noqa: E402

EPOCHS, TRAINED = 5, 1200
RATES = {"adam": (0.001, 0.003, 0.01, 0.03, 0.1, 0.3), "sgd": (0.01, 0.1, 0.3, 1.0, 3.0)}
COMPARED = ("relu", "leaky_relu", "prelu", "elu")
BIAS, RATE, SEEDS = -0.5, 0.03, 5


def network(name: str, optimizer: Any, bias: float, seed: int) -> keras.Model:
    """Built and compiled."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    entry = get(name)
    layers = [keras.Input((64,))]
    for _ in range(3):
        kernel, biases = matched_initializer(entry), keras.initializers.Constant(bias)
        layers += [keras.layers.Dense(64, kernel_initializer=kernel, bias_initializer=biases), entry.layer()]
    model = keras.Sequential([*layers, keras.layers.Dense(10, activation="softmax")])
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def row(name: str, kind: str, rate: float, bias: float, seed: int) -> dict[str, Any]:
    """Dead units before and after training, over all sites and at each."""
    optimizer = keras.optimizers.Adam(rate) if kind == "adam" else keras.optimizers.SGD(rate)
    model = network(name, optimizer, bias, seed)
    x, y = data()
    before = diagnose(model, x[:TRAINED], y[:TRAINED])
    model.fit(x[:TRAINED], y[:TRAINED], epochs=EPOCHS, verbose=0)
    after = diagnose(model, x[:TRAINED], y[:TRAINED])
    found = {
        "activation": name,
        "optimizer": kind,
        "learning_rate": rate,
        "bias": bias,
        "seed": seed,
        "dead_before": before.summary["dead"],
        "dead": after.summary["dead"],
        "dead_by_site": [site.dead for site in after.sites],
        "accuracy": model.evaluate(x[TRAINED:], y[TRAINED:], verbose=0, return_dict=True)["accuracy"],
    }
    print(json.dumps(found), flush=True)
    return found


def data() -> tuple[np.ndarray, np.ndarray]:
    """Digits in an order of their own."""
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    return (x[order] / 16).astype("float32"), y[order].astype("int32")


def main() -> None:
    """Measures, prints a line for each network, and writes the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "dying_relu.json")
    out = parser.parse_args().out
    began = time.perf_counter()
    rates = [row("relu", kind, rate, 0.0, 0) for kind, values in RATES.items() for rate in values]
    compared = [row(name, "adam", RATE, BIAS, seed) for seed in range(SEEDS) for name in COMPARED]
    shares = {name: [r["dead"] for r in compared if r["activation"] == name] for name in COMPARED}
    result = {
        "question": __doc__.splitlines()[0],
        "settings": {"epochs": EPOCHS, "bias": BIAS, "learning_rate": RATE, "seeds": SEEDS},
        "versions": {"python": platform.python_version(), "keras": keras.__version__},
        "hardware": {"machine": platform.machine(), "num_cores": os.cpu_count()},
        "seconds": round(time.perf_counter() - began, 1),
        "dead": shares,
        "learning_rates": rates,
        "compared": compared,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(shares, indent=1), f"\n{result['seconds']} s, written to {out}")


if __name__ == "__main__":
    main()
