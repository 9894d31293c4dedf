"""Do the models of `keras.applications` survive a swap of their activations?

For each: how many sites are found, replaced and left alone; how far the outputs move when every site gets the
function that it has (it must be below 1e-6), and, as a control, when it gets another one; and whether a swap to each
family of activations builds, runs, saves and loads. The weights are random, nothing is downloaded.

    python benchmarks/application_swap.py [--output benchmarks/results/application_swap.json]
"""

import argparse
import json
import platform
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from actsearch.activations.bound import bind
from actsearch.swap.plan import plan_swap
from actsearch.swap.sites import SiteKind, find_sites
from actsearch.swap.swap import swap_activations

MODELS: dict[str, tuple[Callable[..., Any], int]] = {
    "MobileNetV2": (keras.applications.MobileNetV2, 64),
    "ResNet50": (keras.applications.ResNet50, 64),
    "EfficientNetB0": (keras.applications.EfficientNetB0, 64),
    "DenseNet121": (keras.applications.DenseNet121, 64),
    "ConvNeXtTiny": (keras.applications.ConvNeXtTiny, 64),
    "NASNetMobile": (keras.applications.NASNetMobile, 64),
    "Xception": (keras.applications.Xception, 96),
}
FAMILIES = {
    "relu": "relu6",
    "prelu": "prelu",
    "elu": "elu",
    "elu, learned": "mpelu",
    "selu": "selu",
    "sigmoid": "tanh",
    "smooth": "mish",
    "shrink": "soft_shrink",
}
CONTROL = "elu"
TOLERANCE = 1e-6


def built(name: str) -> tuple[Any, np.ndarray]:
    """The model with random weights through which a signal passes, and a batch of noise."""
    make, size = MODELS[name]
    keras.utils.set_random_seed(0)
    model = make(weights=None, input_shape=(size, size, 3), classes=10)
    x = np.random.default_rng(0).uniform(0, 255, (8, size, size, 3)).astype("float32")
    normalisations = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in normalisations]
    for layer in normalisations:
        layer.momentum = 0.0
    model(x, training=True)
    for layer, momentum in zip(normalisations, momenta, strict=True):
        layer.momentum = momentum
    for layer in model.layers:
        if type(layer).__name__ == "LayerScale":
            layer.set_weights([np.ones(w.shape) for w in layer.get_weights()])
    return model, x


def identity(model: Any) -> dict[str, Any]:
    """Each hidden site gets the function that it has."""
    hidden = [site for site in find_sites(model) if site.kind is SiteKind.HIDDEN]
    return {site.name: bind(site.activation, **site.parameters) for site in hidden}


def difference(old: Any, new: Any, x: np.ndarray) -> float:
    """The largest difference between two models' outputs."""
    return float(np.max(np.abs(np.asarray(old(x)) - np.asarray(new(x)))))


def survives(model: Any, activation: str, x: np.ndarray) -> dict[str, Any]:
    """What a swap to an activation gives, through a file and back."""
    started = time.perf_counter()
    new = swap_activations(model, activation)
    swap_seconds = time.perf_counter() - started
    outputs = np.asarray(new(x))
    with tempfile.TemporaryDirectory() as folder:
        new.save(Path(folder) / "model.keras")
        keras.backend.clear_session()
        loaded = keras.models.load_model(Path(folder) / "model.keras")
    return {
        "activation": activation,
        "swap_seconds": round(swap_seconds, 2),
        "num_parameters": new.count_params(),
        "finite": bool(np.isfinite(outputs).all()),
        "difference_after_loading": float(np.max(np.abs(outputs - np.asarray(loaded(x))))),
    }


def measured(name: str) -> dict[str, Any]:
    """One row of the table, and what stands behind it."""
    model, x = built(name)
    same = identity(model)
    report = plan_swap(model, same)
    matched = Counter(text.partition(" (")[0] for text in report.initializers.values())
    moved = difference(model, swap_activations(model, same, keep_weights=True), x)
    if not moved <= TOLERANCE:
        raise SystemExit(f"{name}: the identity swap moves the outputs by {moved}, expected at most {TOLERANCE}")
    return {
        "input_shape": list(model.input_shape[1:]),
        "num_parameters": model.count_params(),
        "sites_found": len(report.sites),
        "sites_replaced": len(report.replaced),
        "gates_left_alone": sum(swap.site.kind is SiteKind.GATE for swap in report.left_alone),
        "outputs_left_alone": sum(swap.site.kind is SiteKind.OUTPUT for swap in report.left_alone),
        "activations": dict(Counter(swap.site.activation for swap in report.sites)),
        "blocks": 1 + max(swap.site.block for swap in report.replaced if swap.site.block is not None),
        "initializers": dict(matched),
        "difference_identity": moved,
        "difference_control": difference(model, swap_activations(model, CONTROL, keep_weights=True), x),
        "families": {family: survives(model, activation, x) for family, activation in FAMILIES.items()},
    }


def main() -> None:
    """Measures all models, prints the table and writes the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "application_swap.json")
    out = parser.parse_args().output
    print("| model | sites | replaced | gates | outputs | identity | control | families that survive |")
    print("|---|---|---|---|---|---|---|---|")
    rows = {}
    for name in MODELS:
        row = rows[name] = measured(name)
        alive = [f for f, r in row["families"].items() if r["finite"] and r["difference_after_loading"] <= TOLERANCE]
        print(
            f"| {name} | {row['sites_found']} | {row['sites_replaced']} | {row['gates_left_alone']} "
            f"| {row['outputs_left_alone']} | {row['difference_identity']:.1e} | {row['difference_control']:.1e} "
            f"| {len(alive)} of {len(FAMILIES)} |",
            flush=True,
        )
    versions = {"python": platform.python_version(), "keras": keras.__version__, "tensorflow": tf.__version__}
    result = {"question": __doc__.splitlines()[0], "versions": versions, "machine": platform.machine(), "models": rows}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
