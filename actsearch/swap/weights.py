"""The weights and the adapted state of a rebuilt model: what is kept, and whether the model was trained before."""

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import keras
import numpy as np

from actsearch._private import document_weights_of, layers_in, own_trainable_variables, own_variables
from actsearch.errors import ModelError
from actsearch.swap.graph import WRAPPERS, is_graph

# Of an untrained variable, one in a billion has such a distance from its initializer's distribution.
_IMPROBABLE = 1e-9
_MAX_COMPARED = 5000


def copy_trainable(old: Any, new: Any) -> None:
    """Copies `trainable` to a layer, including the layers inside a user's own layer."""
    new.trainable = old.trainable
    if not (is_graph(old) or isinstance(old, WRAPPERS)):
        inside = (layers_in(layer, include_self=False) for layer in (old, new))
        for old_part, new_part in zip(*inside, strict=False):
            new_part.trainable = old_part.trainable


def copy_weights(old: Any, new: Any, *, always: bool) -> None:
    """Copies the weights of a layer; without `always`, only those that a search must not draw again.

    These are the weights of frozen, quantized and adapted layers, and single variables with `trainable=False`, such as
    the kernel of a layer with LoRA. Whether a variable is trainable is copied in any case.

    Models and `TimeDistributed` are skipped: their weights belong to their layers.

    Args:
        old: The layer.
        new: Its copy, built, with the same `trainable`.
        always: Whether to copy all weights.

    Raises:
        ModelError: The copy has variables of other shapes, or lacks some that have to be copied.
    """
    if is_graph(old) or isinstance(old, keras.layers.TimeDistributed):
        return
    if not old.weights:
        return
    needed = always or any(_stays_whole(part) for part in layers_in(old) if own_variables(part))
    if needed and not new.weights:
        _build_like(old, new)
    pairs = list(matching_parts(old, new, lambda part: bool(own_variables(part))))
    _complete(pairs)
    if not _match(old, new, pairs):
        if needed or (new.weights and _all_shapes(new) != _all_shapes(old)):
            raise ModelError(
                f"The weights of the layer {old.name!r} ({type(old).__name__}) cannot be copied into a new model: "
                f"it has {_described(old)}, its copy {_described(new)}. Let __init__ or build() of its class create "
                "all variables, or call actsearch.choose(hp, space) in the function that builds the model."
            )
        return
    for old_part, new_part in pairs:
        whole = always or _stays_whole(old_part)
        made_trainable = {id(variable) for variable in own_trainable_variables(old_part)}
        for before, now in zip(own_variables(old_part), own_variables(new_part), strict=True):
            if whole or (id(before) in made_trainable and not before.trainable):
                now.assign(before)
            now.trainable = before.trainable
        if isinstance(new_part, keras.layers.Normalization) and new_part.built:
            new_part.finalize_state()


def copy_adapted(old: Any, new: Any) -> None:
    """Copies vocabularies and bins that `adapt` found, also in the layers inside a layer.

    They are neither weights nor, in part, in the config. The shape of the output may depend on them, so they are copied
    before the copy is called.
    """
    if not isinstance(old, keras.layers.Layer):
        return
    for old_part, new_part in matching_parts(old, new, lambda part: hasattr(part, "get_vocabulary")):
        _copy_vocabulary(old_part, new_part)
    for old_part, new_part in matching_parts(old, new, lambda part: isinstance(part, keras.layers.Discretization)):
        if old_part.bin_boundaries is not None:
            new_part.bin_boundaries = list(old_part.bin_boundaries)


def matching_parts(old: Any, new: Any, wanted: Callable[[Any], bool]) -> Iterator[tuple[Any, Any]]:
    """Yields the layers in a layer (itself first) that satisfy `wanted`, each with its copy.

    Nothing is yielded if the two do not have the same such layers.
    """
    parts = [[part for part in layers_in(layer) if wanted(part)] for layer in (old, new)]
    if [type(part) for part in parts[0]] == [type(part) for part in parts[1]]:
        yield from zip(*parts, strict=True)


@contextmanager
def restoring_state(model: Any) -> Iterator[None]:
    """Undoes at the end of the block what a forward pass changes in a model.

    A recurrent layer with dropout draws its masks without training as well, and a stateful one remembers the batch.

    Args:
        model: A Keras model; variables that are created in the block keep their values.
    """
    remembered = [getattr(layer, "states", None) for layer in layers_in(model)]  # Keras does not list them
    states = [state for state in keras.tree.flatten(remembered) if isinstance(state, keras.Variable)]
    changing = [*states, *(variable for variable in model.variables if not variable.trainable)]
    before = [(variable, np.array(variable.numpy())) for variable in changing]
    try:
        yield
    finally:
        for variable, value in before:
            variable.assign(value)


@dataclass(frozen=True)
class Variables:
    """What a file of a model lacks of its weights: whether each is trainable, and those of LoRA.

    Keras writes the sum of a kernel and its LoRA weights, so both differ after loading, though not what they compute.

    Args:
        trainable: Whether each weight is trainable.
        values: All weights, if the model has layers with LoRA.
    """

    trainable: Sequence[bool]
    values: Sequence[np.ndarray]

    @classmethod
    def of(cls, model: Any) -> Self:
        """Returns those of a model."""
        has_lora = any(getattr(layer, "lora_enabled", False) for layer in layers_in(model))
        return cls([weight.trainable for weight in model.weights], model.get_weights() if has_lora else [])

    def restore(self, model: Any) -> None:
        """Sets them on a model that was loaded from a file."""
        if self.values:
            model.set_weights(self.values)
        for weight, trainable in zip(model.weights, self.trainable, strict=True):
            weight.trainable = trainable


def training_signs(model: Any) -> str:
    """Returns what shows that a model was trained before, or got its weights from a file; empty if nothing does.

    The signs are steps of its optimizer, and trainable weights that its initializers do not give: constant ones that
    differ from their constant, and random ones whose distribution is another, at a probability of one in a billion.
    Frozen layers are skipped, since a search does not draw their weights again.

    Args:
        model: A Keras model.

    Example:

    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="head")])
    >>> training_signs(model)
    ''
    >>> _ = model.layers[0].bias.assign([0.5, 0.0])
    >>> training_signs(model)
    'the bias of head is not what Zeros gives'
    """
    constants = _unlike(model, random=False)
    return _num_steps(model) or next(iter((constants or _unlike(model, random=True)).values()), "")


KEEP, REDRAW = "keep", "redraw"


def usual_weights(model: Any) -> tuple[str, str]:
    """Chooses which weights executions start from where the user does not, and says so if the model is not new.

    Pretrained weights in a model that was not trained since it was compiled are there to be tuned. After training, a
    search compares activations from scratch.

    Args:
        model: A Keras model.

    Returns:
        `keep` or `redraw`, and a sentence on it; empty for a model with new weights.
    """
    steps, constants = _num_steps(model), _unlike(model, random=False)
    last = model.layers[-1].name  # the bias of the output may be set on purpose
    trained = [sign for name, sign in constants.items() if name != last] + list(_unlike(model, random=True).values())
    elsewhere = "" if steps else next(iter(trained), "")
    if elsewhere:
        return KEEP, (
            f"Each execution starts from the weights of the model, which are not new ({elsewhere}). To draw new ones, "
            'pass weights="redraw" (--weights redraw).'
        )
    if signs := steps or next(iter(constants.values()), ""):
        return REDRAW, (
            f"Each execution draws new weights, although the model has others ({signs}). To start from these, pass "
            'weights="keep" (--weights keep).'
        )
    return REDRAW, ""


def _num_steps(model: Any) -> str:
    steps = int(getattr(getattr(model, "optimizer", None), "iterations", 0))
    return f"its optimizer has made {steps} step{'' if steps == 1 else 's'}" if steps else ""


def _unlike(model: Any, *, random: bool) -> dict[str, str]:
    """Names, by layer, a variable that its initializer, random or constant, does not give."""
    return {
        layer.name: f"the {variable.name} of {layer.name} is not what {type(initializer).__name__} gives"
        for layer, variable, initializer in _initialized(model)
        if hasattr(initializer, "seed") is random and not _is_from(initializer, variable)
    }


def _copy_vocabulary(old: Any, new: Any) -> None:
    weights = document_weights_of(old)
    if new.get_vocabulary() == old.get_vocabulary() and (
        weights is None or np.array_equal(weights, document_weights_of(new))
    ):
        return
    if weights is None:
        new.set_vocabulary(old.get_vocabulary(include_special_tokens=False))
    else:
        words = old.get_vocabulary()
        new.set_vocabulary(words, idf_weights=weights[: len(words)])


def _build_like(old: Any, new: Any) -> None:
    """Builds a layer of a Sequential model that Keras builds only when it is called on data."""
    for old_part, new_part in matching_parts(old, new, lambda _: True):
        if own_variables(old_part) and not new_part.built:
            new_part.build_from_config(old_part.get_build_config())


def _complete(pairs: list[tuple[Any, Any]]) -> None:
    """Gives copies LoRA and quantization where the config of the layer around them lacks it."""
    for old, new in pairs:
        mode = getattr(old, "quantization_mode", None)
        if mode is not None and new.quantization_mode is None:
            new.quantize(mode)
        if getattr(old, "lora_enabled", False) and not new.lora_enabled:
            new.enable_lora(old.lora_rank)
        if getattr(old, "lora_enabled", False):
            new.lora_alpha = old.lora_alpha  # Keras's copy of a layer with LoRA gets the default


def _match(old: Any, new: Any, pairs: list[tuple[Any, Any]]) -> bool:
    """Returns whether the pairs have all weights of the layers, and the same ones."""
    paired = {id(variable) for part, _ in pairs for variable in own_variables(part)}  # a wrapper has its layer's, too
    if not len(paired) == len(old.weights) == len(new.weights):
        return False
    return all(_shapes(old_part) == _shapes(new_part) for old_part, new_part in pairs)


def _shapes(part: Any) -> list[tuple[int, ...]]:
    return [tuple(variable.shape) for variable in own_variables(part)]


def _all_shapes(layer: Any) -> Counter[tuple[int, ...]]:
    return Counter(tuple(weight.shape) for weight in layer.weights)


def _stays_whole(part: Any) -> bool:
    adapted = isinstance(part, keras.layers.Normalization)
    return not part.trainable or adapted or getattr(part, "quantization_mode", None) is not None


def _described(layer: Any) -> str:
    shapes = [str(tuple(weight.shape)) for weight in layer.weights]
    return f"{len(shapes)} variables" + (f" of shapes {', '.join(shapes[:5])}" if shapes else "")


def _initialized(model: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Yields the trainable variables of Keras's layers whose initializer is known, with layer and initializer."""
    for layer in layers_in(model):
        if not layer.trainable or getattr(layer, "quantization_mode", None) is not None:
            continue
        for variable in own_variables(layer):
            names = (variable.name, variable.name.removesuffix("_kernel"))
            known = (getattr(layer, f"{name}_initializer", None) for name in names)
            initializer = next((each for each in known if each is not None), None)
            forget_gate = variable.name == "bias" and getattr(layer, "unit_forget_bias", False)
            if variable.trainable and initializer is not None and not forget_gate:
                yield layer, variable, initializer


def _is_from(initializer: Any, variable: Any) -> bool:
    """Returns whether a variable has values that its initializer may have given; also if that is not known."""
    if not type(initializer).__module__.startswith("keras."):
        return True
    values = np.asarray(variable.numpy(), "float64")
    config = initializer.get_config()
    again = type(initializer).from_config({**config, "seed": 1} if "seed" in config else config)
    given = np.asarray(again(variable.shape, dtype=variable.dtype), "float64")
    if "seed" not in config:
        return bool(np.array_equal(values, given))
    return _same_distribution(values.ravel(), given.ravel())


def _same_distribution(values: np.ndarray, given: np.ndarray) -> bool:
    from scipy import stats  # takes longer to import than the rest of this room, and workers do not need it

    if not np.isfinite(values).all():
        return False
    if values.size > _MAX_COMPARED:
        chosen = np.random.default_rng(0).integers(values.size, size=_MAX_COMPARED)
        values, given = values[chosen], given[chosen]
    with warnings.catch_warnings():  # SciPy warns if rounding makes the probability larger than 1
        warnings.filterwarnings("ignore", "ks_2samp: Exact calculation unsuccessful", RuntimeWarning)
        return bool(stats.ks_2samp(values, given).pvalue > _IMPROBABLE)
