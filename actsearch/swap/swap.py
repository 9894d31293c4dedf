"""Swaps the activations of a model for others, and changes nothing else."""

from collections.abc import Callable, Mapping
from typing import Any

from actsearch.swap.beside_graph import compile_like
from actsearch.swap.graph import is_graph
from actsearch.swap.plan import Choice, Included, TracedModel, make_plan
from actsearch.swap.rebuild import Rebuilder


def swap_activations(
    model: Any,
    activation: Choice | Mapping[str, Choice],
    *,
    match: bool = True,
    keep_weights: bool = False,
    include_gates: bool = False,
    include_recurrent: bool = False,
    include_frozen: bool = False,
) -> Any:
    """Returns a new, independent model with the hidden activations replaced; everything else is unchanged.

    The new model has the same class, names, regularizers, constraints, dtype policies, `trainable` flags, shared layers
    and arguments of `compile`, but a new optimizer and new metrics. Classes and functions need not be registered. A
    layer with an `activation` argument becomes linear and is followed by a layer `NAME_activation`, because Keras does
    not train the parameters of an argument. Activations that the code of user layers or of a subclassed model applies
    are exchanged inside a copy of it, which keeps its class and saves with them.

    Args:
        model: A Keras model; a subclassed one must be built. It is not changed.
        activation: For all hidden sites, a name, an `Activation`, or one with parameters,
            `actsearch.activations.bind("leaky_relu", slope=0.1)`. Or a mapping of site names to these; sites that it
            does not name are unchanged.
        match: Whether layers that feed a replaced site and have Keras's default initializer get the initializer
            matched to the new activation, and whether `Dropout` and `AlphaDropout` after it are exchanged to match.
        keep_weights: Whether layers that are not replaced keep their weights; otherwise all weights are drawn again.
            Weights that training would not change (of a layer or a single variable with `trainable=False`, of a
            quantized layer or an adapted `Normalization`) are always kept.
        include_gates: Whether to replace gates as well; a gate that a mapping names is replaced in any case.
        include_recurrent: Whether to replace the `activation` of recurrent layers as well; one that a mapping names is
            replaced in any case. TensorFlow's cuDNN kernels need tanh there, so others are slower on a GPU.
        include_frozen: Whether to replace the activations of frozen layers (`trainable=False`) as well; one that a
            mapping names is replaced in any case.

    Returns:
        The new model, compiled if the original is. `plan_swap` with the same arguments reports the changes.

    Raises:
        ModelError: The model is subclassed and not built, has no activation that can be replaced, has a layer that
            cannot be copied, or is compiled with an object that Keras cannot copy.
        UnknownNameError: The activation, parameter or site is unknown; the message suggests the nearest name.
        UsageError: A site that the mapping names cannot be replaced.

    Example:

    >>> import keras
    >>> model = keras.Sequential(
    ...     [keras.Input((4,)), keras.layers.Dense(8, "relu", name="a"), keras.layers.Dense(3, "softmax", name="b")]
    ... )
    >>> [layer.name for layer in swap_activations(model, "prelu").layers]
    ['a', 'a_activation', 'b']
    """
    included = Included(gates=include_gates, recurrent=include_recurrent, frozen=include_frozen)
    return swap_traced(TracedModel(model), activation, match=match, keep_weights=keep_weights, included=included)


def swap_traced(
    traced_model: TracedModel,
    activation: Choice | Mapping[str, Choice],
    *,
    match: bool,
    keep_weights: bool,
    included: Included,
    make: Callable[[], Any] | None = None,
) -> Any:
    """Does the work of `swap_activations` on a model whose sites are known.

    Args:
        traced_model, activation, match, keep_weights, included: As for `swap_activations`.
        make: Returns another compiled and built model like it, for a subclassed model and for layers that cannot be
            copied; if omitted, their configs make them.
    """
    plan = make_plan(traced_model, activation, match=match, included=included)
    rebuilder = Rebuilder(plan, keep_weights=keep_weights, make=make)
    if make is not None and not is_graph(traced_model.model):
        return rebuilder.exchanged_in(make(), traced_model.model)
    swapped = rebuilder.model(traced_model.model)
    compile_like(traced_model.model, swapped, rebuilder.counterparts)
    return swapped
