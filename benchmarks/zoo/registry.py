"""The list of models, with what a reader of their code sees in each, and small data to train them on."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

NUM_SAMPLES = 16
KINDS = ("hidden", "recurrent", "gate", "output")


@dataclass(frozen=True)
class Specimen:
    """A model of the zoo.

    Args:
        name: The name of the function that makes it.
        theme: The module it is in.
        make: Returns the model, compiled.
        seen: The activations that a reader of its code sees: for each kind, how many times each occurs.
        x, y: Data to train it on; y is None if there are no targets.
        batches: Makes the data set to train it on, where x and y are not enough.
    """

    name: str
    theme: str
    make: Callable[[], Any]
    seen: dict[str, Counter[str]]
    x: Any
    y: Any
    batches: Callable[[], Any] | None = None


MODELS: dict[str, Specimen] = {}


def zoo(
    *,
    x: Any,
    y: Any = None,
    batches: Callable[[], Any] | None = None,
    hidden: str = "",
    recurrent: str = "",
    gate: str = "",
    output: str = "",
) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    """Adds a model to the list.

    Each activation counts once for each layer, or place in the code of a layer, that applies it: `"relu*3 gelu"`. A
    softmax that weighs is a gate, and so is the sigmoid of a pair that is multiplied; the softmax inside Keras's own
    attention layers does not count. The two directions of `Bidirectional` have one `activation`, which counts once.
    """
    seen = {"hidden": _counted(hidden), "recurrent": _counted(recurrent)}
    seen |= {"gate": _counted(gate), "output": _counted(output)}

    def add(make: Callable[[], Any]) -> Callable[[], Any]:
        theme = make.__module__.rpartition(".")[2]
        assert make.__name__ not in MODELS, f"two models are named {make.__name__}"
        MODELS[make.__name__] = Specimen(make.__name__, theme, make, seen, x, y, batches)
        return make

    return add


def _counted(text: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for word in text.split():
        name, _, times = word.partition("*")
        found[name] += int(times or 1)
    return found


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    """Standard normal numbers for each sample, of this shape."""
    return np.random.default_rng(seed).normal(size=(NUM_SAMPLES, *shape)).astype("float32")


def images(size: int = 16, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Square images, from 0 to 1."""
    return np.random.default_rng(seed).uniform(size=(NUM_SAMPLES, size, size, channels)).astype("float32")


def tokens(steps: int, vocabulary: int = 20, seed: int = 0) -> np.ndarray:
    """Sequences of token ids from 1."""
    return np.random.default_rng(seed).integers(1, vocabulary, (NUM_SAMPLES, steps)).astype("int32")


def labels(classes: int, *shape: int, seed: int = 0) -> np.ndarray:
    """A class for each sample, or for each entry of this shape."""
    return np.random.default_rng(seed).integers(0, classes, (NUM_SAMPLES, *shape)).astype("int32")


def binary(*shape: int) -> np.ndarray:
    """Zeros and ones."""
    return labels(2, *(shape or (1,))).astype("float32")


def words(choices: str) -> np.ndarray:
    """One of the words for each sample, as a column of strings."""
    several = choices.split()
    return np.array([[several[i % len(several)]] for i in range(NUM_SAMPLES)])
