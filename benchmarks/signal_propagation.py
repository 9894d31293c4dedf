"""Does the gradient at initialisation shrink and grow over depth as the moments of an activation say?

    python benchmarks/signal_propagation.py [--seeds 20] [--out benchmarks/results/signal_propagation.json]

A chain of linear layers without bias, each followed by the activation, gets f(noise), noise ~ N(0, 1), and is run
forward. A random gradient is sent back from its end. Measured is what is left of its squared norm at the beginning;
once with the initializer that is matched to the activation, once with LeCun's, for every entry of the catalogue. The
weights of a seed are the same for all, up to their scale.

Predicted is the same for layers of infinite width (arXiv 1606.05340): with s/width the variance of the weights, the
second moment q of what goes into the activations follows q ← s·E f(√q·z)², z ~ N(0, 1), beginning with q = 1 for the
noise, and each layer multiplies the squared gradient by s·E f′(√q·z)². With the matched initializer q stays 1.

Where they differ, the width is too small for the prediction. For some activations q = 1 is no stable point: what begins
a little beside it, as every finite layer does, is driven away over 20 layers (silu, hard_silu, gelu, the shrinking ones
with the matched initializer). For hard_shrink f(z) = z·f′(z), so that the part of the gradient that lies along the
signal, 1/width of it in the beginning, passes each layer whole, while the rest shrinks.
"""

import argparse
import json
import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from actsearch._startup import load_tensorflow
from actsearch.activations import get, names
from actsearch.activations.activation import Activation
from actsearch.activations.moments import second_moment, slope_second_moment

load_tensorflow()

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

WIDTH, DEPTH, SAMPLES = 1024, 20, 16
DIED_OUT = 1e-60
# Computed independently, to two digits.
KNOWN = {
    ("relu", "matched"): 0.99,
    ("selu", "lecun"): 4.0,
    ("tanh", "lecun"): 0.074,
    ("relu", "lecun"): 9e-7,
    ("sigmoid", "lecun"): 8e-26,
}


def scales(entry: Activation) -> dict[str, float]:
    """The variance of the weights, times the width, by the initializer's name."""
    return {"matched": 1 / second_moment(entry), "lecun": 1.0}


def predicted(entry: Activation, scale: float) -> float:
    """The squared gradient's ratio for infinite width."""
    moments = lru_cache(partial(_moments, entry))
    ratio, q = 1.0, scale * moments(1.0)[0]
    for _ in range(DEPTH):
        if q < DIED_OUT:
            return 0.0
        square, slope = moments(float(f"{q:.9g}"))
        ratio, q = ratio * scale * slope, scale * square
    return ratio


def _moments(entry: Activation, q: float) -> tuple[float, float]:
    """E f(√q·z)² and E f′(√q·z)²."""
    root = math.sqrt(q)
    kinks = tuple(kink / root for kink in entry.kinks_at())

    def scaled(z: np.ndarray) -> np.ndarray:
        return entry(root * z)

    return second_moment(scaled, kinks=kinks), slope_second_moment(scaled, kinks=kinks) / q


def measured(layer: Callable[[Any], Any], scale: float, weights: list[Any], noise: Any, gradient: Any) -> float:
    """The squared gradient's ratio of one draw of the weights."""
    x = signal = layer(noise)
    with tf.GradientTape() as tape:
        tape.watch(signal)
        for weight in weights:
            x = layer(math.sqrt(scale) * tf.matmul(x, weight))
    back = tape.gradient(x, signal, output_gradients=gradient)
    return squared_norm(back) / squared_norm(gradient)


def squared_norm(x: Any) -> float:
    """In double precision: the squares of small gradients are too small for single."""
    return float(np.sum(np.square(np.asarray(x, dtype="float64"))))


def draws(num_seeds: int) -> Iterator[tuple[list[Any], Any, Any]]:
    """Weights of variance 1/width, the noise that goes in, and the gradient that is sent back."""
    for seed in range(num_seeds):
        draw = np.random.default_rng(seed)
        normal = partial(draw.standard_normal, dtype="float32")
        weights = [tf.constant(normal((WIDTH, WIDTH)) / math.sqrt(WIDTH)) for _ in range(DEPTH)]
        yield weights, tf.constant(normal((SAMPLES, WIDTH))), tf.constant(normal((SAMPLES, WIDTH)))


def row(entry: Activation, initializer: str, scale: float, ratios: list[float]) -> dict[str, Any]:
    """Measured and predicted side by side; what float32 cannot hold is None."""
    finite = [ratio for ratio in ratios if math.isfinite(ratio) and ratio > 0]
    prediction = predicted(entry, scale)
    median = statistics.median(finite) if finite else None
    return {
        "activation": entry.name,
        "initializer": initializer,
        "scale": scale,
        "predicted": prediction,
        "median": median,
        "mean": statistics.fmean(finite) if finite else None,
        "low": min(finite, default=None),
        "high": max(finite, default=None),
        "decades_off": math.log10(median / prediction) if median and prediction else None,
        "known": KNOWN.get((entry.name, initializer)),
        "ratios": ratios,
    }


def run(num_seeds: int) -> list[dict[str, Any]]:
    """All entries, all initializers, all seeds."""
    cases = [(get(name), kind, scale) for name in names() for kind, scale in scales(get(name)).items()]
    layers = {entry.name: entry.layer() for entry, _, _ in cases}
    ratios: list[list[float]] = [[] for _ in cases]
    for weights, noise, gradient in draws(num_seeds):
        for found, (entry, _, scale) in zip(ratios, cases, strict=True):
            found.append(measured(layers[entry.name], scale, weights, noise, gradient))
    return [row(*case, found) for case, found in zip(cases, ratios, strict=True)]


def main() -> None:
    """Measures, prints the table and writes the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "signal_propagation.json")
    options = parser.parse_args()
    began = time.perf_counter()
    rows = run(options.seeds)
    print("| activation | initializer | scale | predicted | median | lowest | highest | known |")
    print("|---|---|---|---|---|---|---|---|")
    for r in rows:
        figures = (
            f"{r[key]:.2g}" if r[key] is not None else "" for key in ("predicted", "median", "low", "high", "known")
        )
        print(f"| {r['activation']} | {r['initializer']} | {r['scale']:.3g} | {' | '.join(figures)} |")
    result = {
        "question": __doc__.splitlines()[0],
        "settings": {"width": WIDTH, "depth": DEPTH, "samples": SAMPLES, "seeds": options.seeds},
        "versions": {"python": platform.python_version(), "keras": keras.__version__, "tensorflow": tf.__version__},
        "hardware": {"machine": platform.machine(), "num_cores": os.cpu_count()},
        "seconds": round(time.perf_counter() - began, 1),
        "rows": rows,
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    print(f"{result['seconds']} s, written to {options.out}")


if __name__ == "__main__":
    main()
