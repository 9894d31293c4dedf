"""When is training hopeless, and does `screen` say so before it begins?

    python benchmarks/screening.py [--epochs 30] [--out benchmarks/results/screening.json]    # 10 minutes on one core

Networks of 64 units a layer on handwritten digits: activations, depths and initializers that keep, shrink or blow up
the signal, and biases that kill units. Each is screened, then trained, with Adam and with SGD with momentum. At chance
level is a best validation accuracy below 0.15 (until the loss is NaN, where it becomes that). The limits in
`actsearch.diagnostics.diagnosis` rest on this table.
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from actsearch._startup import load_tensorflow
from actsearch.activations import get
from actsearch.activations.initializers import matched_initializer
from actsearch.diagnostics.screening import screen
from actsearch.records import Direction, ExecutionRequest, Objective
from actsearch.training.data import TrainingData
from actsearch.training.execution import Executions

load_tensorflow()

import keras  # noqa: E402

OBJECTIVE = Objective("val_accuracy", Direction.MAX)
CHANCE = 0.15
TRAINED = 1200


@dataclass(frozen=True)
class Case:
    """A network: `initializer` is matched, glorot, or the standard deviation of normal weights."""

    activation: str
    depth: int
    initializer: str = "matched"
    bias: float = 0.0
    seed: int = 1

    def model(self, optimizer: Any) -> keras.Model:
        """Built and compiled."""
        keras.utils.set_random_seed(self.seed)
        hidden = [layer for _ in range(self.depth) for layer in (self.linear(), get(self.activation).layer())]
        model = keras.Sequential([keras.Input((64,)), *hidden, keras.layers.Dense(10, activation="softmax")])
        model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    def linear(self) -> keras.layers.Layer:
        """A linear layer with its initializers."""
        bias = keras.initializers.Constant(self.bias)
        return keras.layers.Dense(64, kernel_initializer=self.kernel(), bias_initializer=bias)

    def kernel(self) -> Any:
        """The initializer of the weights."""
        if self.initializer == "matched":
            return matched_initializer(get(self.activation))
        if self.initializer == "glorot":
            return keras.initializers.GlorotUniform()
        return keras.initializers.RandomNormal(stddev=float(self.initializer))


def cases() -> Iterator[Case]:
    """The networks."""
    for activation in ("sigmoid", "softplus", "tanh", "relu", "gelu"):
        for depth in (3, 8, 12, 16, 20):
            yield from (Case(activation, depth, initializer) for initializer in ("matched", "glorot"))
    for activation in ("tanh", "relu", "gelu"):
        for depth in (8, 20):
            yield from (Case(activation, depth, deviation) for deviation in ("0.01", "0.03", "0.3", "1.0"))
    for bias in (-0.5, -1.0, -2.0, -3.0, -5.0):
        yield Case("relu", 3, bias=bias)
    for activation in ("relu", "prelu", "leaky_relu", "elu", "selu", "tanh"):
        yield from (Case(activation, 20, seed=seed) for seed in (2, 3, 4))


def optimizers() -> dict[str, Any]:
    """New ones."""
    return {"adam": keras.optimizers.Adam(1e-3), "sgd": keras.optimizers.SGD(0.05, momentum=0.9)}


def measured(case: Case, name: str, data: tuple[np.ndarray, np.ndarray], epochs: int) -> dict[str, Any]:
    """What the screening says, and what training comes to."""
    keras.backend.clear_session()
    x, y = data
    screening = screen(case.model(optimizers()[name]), x[:TRAINED], y[:TRAINED])
    held_out = (x[TRAINED:], y[TRAINED:])
    executions = Executions(
        lambda _: case.model(optimizers()[name]),
        TrainingData(x[:TRAINED], y[:TRAINED], held_out),
        OBJECTIVE,
        health=False,
    )
    record = executions.run(ExecutionRequest("0", 1, case.seed, epochs, {})).record
    best = max(record.history.get("val_accuracy", ()), default=0.0)
    return {
        **vars(case),
        "optimizer": name,
        **screening.figures,
        "variation": screening.diagnosis.sites[-1].variation,
        "hopeless": screening.hopeless,
        "reasons": [str(reason) for reason in screening.reasons],
        "best_accuracy": best,
        "failed": record.reason,
        "at_chance": best < CHANCE,
    }


def counts(rows: list[dict[str, Any]]) -> dict[str, int]:
    """How often the screening is right, and how it is wrong."""
    pairs = [(row["hopeless"], row["at_chance"]) for row in rows]
    return {
        "hopeless_and_at_chance": pairs.count((True, True)),
        "hopeless_and_learned": pairs.count((True, False)),
        "not_hopeless_and_at_chance": pairs.count((False, True)),
        "not_hopeless_and_learned": pairs.count((False, False)),
    }


def main() -> None:
    """Measures, prints a line for each network, and writes the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "screening.json")
    options = parser.parse_args()
    began = time.perf_counter()
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    data = ((x[order] / 16).astype("float32"), y[order].astype("int32"))
    rows = []
    for case in cases():
        for name in optimizers():
            rows.append(measured(case, name, data, options.epochs))
            print(json.dumps({k: v for k, v in rows[-1].items() if k != "reasons"}), flush=True)
    result = {
        "question": __doc__.splitlines()[0],
        "settings": {"epochs": options.epochs, "chance_below": CHANCE},
        "versions": {"python": platform.python_version(), "keras": keras.__version__},
        "hardware": {"machine": platform.machine(), "num_cores": os.cpu_count()},
        "seconds": round(time.perf_counter() - began, 1),
        "counts": {name: counts([r for r in rows if r["optimizer"] == name]) for name in optimizers()},
        "rows": rows,
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result["counts"], indent=1), f"\n{result['seconds']} s, written to {options.out}")


if __name__ == "__main__":
    main()
