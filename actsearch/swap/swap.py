"""A new model with other activations, and everything else as it was."""

from collections.abc import Mapping
from typing import Any

import keras

from actsearch._private import keras_message
from actsearch.errors import ModelError
from actsearch.swap.plan import Choice, make_plan
from actsearch.swap.rebuild import Rebuilder


def swap_activations(
    model: Any,
    activation: Choice | Mapping[str, Choice],
    *,
    match: bool = True,
    keep_weights: bool = False,
    include_gates: bool = False,
) -> Any:
    """A new, independent model with its hidden activations replaced; everything else is as it was.

    Names, regularizers, constraints, dtype policies, `trainable` flags, shared layers and the settings of
    `compile` are kept, the optimizer without its state. An `activation` argument becomes linear, and the new
    activation a layer after it, called `NAME_activation`: as an argument, Keras would not train it. Arguments of
    recurrent cells and of a user's own layers stay arguments, and take activations that learn nothing.

    Args:
        model: A Sequential or Functional Keras model. It is not changed.
        activation: A name, an `Activation`, or one with parameters, `actsearch.activations.bind("leaky_relu",
            slope=0.1)`: for all hidden sites. Or a mapping of these by site name; sites that it does not name are
            left alone.
        match: Whether layers that feed a replaced site and have Keras's default initializer get the one matched
            to the new activation, and whether `Dropout` and `AlphaDropout` after it are exchanged as it asks.
        keep_weights: Whether layers that are not replaced keep their weights; else all are drawn anew. Layers
            that training would not change (`trainable=False`, an adapted `Normalization`) keep theirs always.
        include_gates: Whether gates are replaced too; a gate that a mapping names is replaced in any case.

    Returns:
        The new model, compiled where the old one was. `plan_swap` with the same arguments says what is done.

    Raises:
        ModelError: The model is subclassed, has no activation or none that can be replaced, has a layer that
            cannot be made anew, or is compiled with an object that Keras cannot make again.
        UnknownNameError: There is no such activation, parameter or site; the nearest is offered.
        UsageError: A site that was named cannot be replaced.

    Example:

    >>> model = keras.Sequential(
    ...     [keras.Input((4,)), keras.layers.Dense(8, "relu", name="a"), keras.layers.Dense(3, "softmax", name="b")]
    ... )
    >>> [layer.name for layer in swap_activations(model, "prelu").layers]
    ['a', 'a_activation', 'b']
    """
    plan = make_plan(model, activation, match=match, include_gates=include_gates)
    settings = _compile_settings(model)
    swapped = Rebuilder(plan, keep_weights=keep_weights).model(model)
    if settings is not None:
        swapped.compile(**settings)
    return swapped


def _compile_settings(model: Any) -> dict[str, Any] | None:
    """What `compile` was given, made anew; None where the model is not compiled."""
    if not model.compiled:
        return None
    try:
        settings = keras.saving.deserialize_keras_object(model.get_compile_config())
    except (AttributeError, ImportError, KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"The model {model.name!r} is compiled with an object that Keras cannot make again: {keras_message(error)} "
            "Put @keras.saving.register_keras_serializable() before the definition of the loss, metric or "
            "optimizer (a function with a name, not a lambda), and compile again."
        ) from error
    # Losses have no state, and the config of some (Huber's delta) does not hold all their settings.
    return {**settings, "loss": model.loss}
