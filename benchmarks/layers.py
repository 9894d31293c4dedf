"""How long do our layers take, forward and backward, against what one would use without them?

Each layer runs inside a `tf.function`: its output, and the gradient with respect to the input and to its own
parameters. The layers take turns, so that a slow moment of the machine meets all of them; medians are compared.

    python benchmarks/layers.py --output layers.json
"""

import argparse
import json
import os
import platform
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from rich.console import Console
from rich.table import Table

from actsearch import layers
from actsearch.layers.selu import SELU_ALPHA, SELU_SCALE, SERLU_ALPHA, SERLU_SCALE


class Formula(layers.LearnedActivation):
    """A formula in `keras.ops` with the gradient that automatic differentiation gives it."""

    def __init__(self, function: Callable[..., Any], **starts: float) -> None:
        super().__init__(starts)
        self.function = function

    def call(self, inputs: Any) -> Any:
        """The formula's values."""
        return self.function(inputs, *self.parameters)


def below(x: Any) -> Any:
    """min(x, 0), by the kernel that has a fast gradient."""
    return -ops.relu(-x)


def leaky_selu(x: Any) -> Any:
    """lSELU as one writes it."""
    return 1.0468490 * (ops.leaky_relu(ops.elu(x), 1.5059369) + 0.1 * below(x))


def scaled_selu(x: Any) -> Any:
    """sSELU as one writes it."""
    return 1.0443526 * ops.leaky_relu(ops.elu(ops.leaky_relu(x, 0.8)), 1.9157072)


def serlu(x: Any) -> Any:
    """SERLU as one writes it."""
    return SERLU_SCALE * ops.leaky_relu(x * ops.exp(below(x)), SERLU_ALPHA)


def mpelu(x: Any, alpha: Any, beta: Any) -> Any:
    """MPELU as one writes it."""
    return ops.relu(x) + alpha * ops.elu(beta * below(x))


def parametric_selu(x: Any, scale: Any, alpha: Any) -> Any:
    """SELU with learned constants as one writes it."""
    e = ops.elu(x)
    return scale * (ops.relu(e) + alpha * below(e))


def pairs() -> dict[str, tuple[Any, Any]]:
    """Each layer and its counterpart: Keras's layer where there is one, else the formula."""
    return {
        "LeakyReLU": (layers.LeakyReLU(0.3), keras.layers.LeakyReLU(0.3)),
        "PReLU": (layers.PReLU(), keras.layers.PReLU(keras.initializers.Constant(0.25), shared_axes=[1, 2])),
        "RReLU, inference": (layers.RReLU(), keras.layers.LeakyReLU(11 / 48)),
        "ELU": (layers.ELU(), keras.layers.ELU()),
        "ELU, α = 1.5": (layers.ELU(1.5), keras.layers.ELU(1.5)),
        "CELU, α = 1.5": (layers.CELU(1.5), Formula(lambda x: ops.celu(x, 1.5))),
        "PELU": (layers.PELU(), Formula(lambda x, a, b: a * ops.elu(x / b), a=1.0, b=1.0)),
        "MPELU": (layers.MPELU(), Formula(mpelu, alpha=1.0, beta=1.0)),
        "SELU": (layers.SELU(), keras.layers.Activation("selu")),
        "LeakySELU": (layers.LeakySELU(), Formula(leaky_selu)),
        "ScaledSELU": (layers.ScaledSELU(), Formula(scaled_selu)),
        "SERLU": (layers.SERLU(), Formula(serlu)),
        "ParametricSELU": (
            layers.ParametricSELU(),
            Formula(parametric_selu, scale=SELU_SCALE, alpha=SELU_ALPHA),
        ),
    }


def forward_and_backward(function: Callable[..., Any], x: Any, dy: Any) -> Callable[[], Any]:
    """A compiled call of it that returns output and gradients, run twice so that it is warm."""
    function(x)
    variables = getattr(function, "trainable_variables", [])

    @tf.function(autograph=False)
    def run() -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = function(x)
        return y, tape.gradient(y, [x, *(v.value for v in variables)], output_gradients=dy)

    run()
    run()
    return run


def interleaved(runs: dict[str, Callable[[], Any]], repetitions: int) -> dict[str, list[float]]:
    """Milliseconds of each repetition of each run; they take turns, in another order each time.

    In a fixed order, the same layer measures 10 % slower after a run that leaves its own tensors in the cache.
    """
    milliseconds: dict[str, list[float]] = {name: [] for name in runs}
    shuffled = random.Random(0)
    for _ in range(repetitions):
        for name in shuffled.sample(list(runs), len(runs)):
            start = time.perf_counter()
            runs[name]()
            milliseconds[name].append(round(1e3 * (time.perf_counter() - start), 3))
    return milliseconds


def measure(shape: tuple[int, ...], dtype: str, repetitions: int) -> list[dict[str, Any]]:
    """One row a layer: its median and its counterpart's, and their ratio to each other and to `tf.nn.elu`."""
    keras.config.set_dtype_policy(dtype)
    rng = np.random.default_rng(0)
    x, dy = (tf.constant(rng.normal(size=shape), dtype) for _ in range(2))
    runs = {"tf.nn.elu": forward_and_backward(tf.nn.elu, x, dy)}
    for name, (ours, counterpart) in pairs().items():
        runs[name] = forward_and_backward(ours, x, dy)
        runs[f"{name}: counterpart"] = forward_and_backward(counterpart, x, dy)
    milliseconds = interleaved(runs, repetitions)
    medians = {name: statistics.median(values) for name, values in milliseconds.items()}
    return [
        {
            "layer": name,
            "median_ms": medians[name],
            "counterpart_ms": medians[f"{name}: counterpart"],
            "to_counterpart": medians[name] / medians[f"{name}: counterpart"],
            "elu_ms": medians["tf.nn.elu"],
            "to_elu": medians[name] / medians["tf.nn.elu"],
            "all_ms": milliseconds[name],
            "counterpart_all_ms": milliseconds[f"{name}: counterpart"],
        }
        for name in pairs()
    ]


def cpu_name() -> str:
    """The processor's name as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")


def environment() -> dict[str, Any]:
    """Versions and hardware."""
    return {
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "cpu": cpu_name(),
        "num_cores": os.cpu_count(),
        "num_gpus": len(tf.config.list_physical_devices("GPU")),
    }


def show(rows: list[dict[str, Any]], title: str) -> None:
    """Prints the table."""
    table = Table(title=title)
    for heading in ("layer", "ms", "counterpart ms", "to counterpart", "to tf.nn.elu"):
        table.add_column(heading, justify="left" if heading == "layer" else "right")
    for row in rows:
        numbers = (row[k] for k in ("median_ms", "counterpart_ms", "to_counterpart", "to_elu"))
        table.add_row(row["layer"], *(f"{number:.2f}" for number in numbers))
    Console().print(table)


def main() -> None:
    """Measures, prints, and writes the file that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", type=int, nargs="+", default=[64, 28, 28, 64])
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--repetitions", type=int, default=100)
    parser.add_argument("--output", type=Path, help="JSON file with every repetition")
    options = parser.parse_args()
    rows = measure(tuple(options.shape), options.dtype, options.repetitions)
    where = environment()
    shape = "×".join(map(str, options.shape))
    title = f"{shape} {options.dtype}, {where['cpu']}, {where['num_cores']} cores, TensorFlow {where['tensorflow']}"
    show(rows, title)
    if options.output:
        result = {"environment": where, "shape": options.shape, "dtype": options.dtype, "rows": rows}
        options.output.write_text(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
