"""Which models can be trained by one trace."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import keras

_OURS = ("keras", "actsearch")


def trace_key(model: keras.Model, values: Mapping[str, Any]) -> str | None:
    """Models of the same key are trained alike by one trace, once weights and optimizer state are handed over.

    The learning rate is one of the optimizer's variables, so models that differ in nothing else share a key. With
    layers, losses or metrics of a user's own, whose configuration may leave something out, only models of the same
    hyperparameter values do.

    Args:
        model: A compiled model.
        values: The hyperparameter values that it was built from.

    Returns:
        None where the trace holds what no configuration tells: a step or a loss of the user's own.
    """
    if not _has_keras_steps(model) or not all(_is_keras_loss(loss) for loss in keras.tree.flatten(model.loss)):
        return None
    try:
        config = json.loads(model.to_json())
    except (NotImplementedError, TypeError, ValueError):
        return None  # a subclassed model says nothing of its layers
    optimizer = (config.get("compile_config") or {}).get("optimizer") or {}
    if isinstance(optimizer, dict) and isinstance(optimizer.get("config", {}).get("learning_rate"), float):
        del optimizer["config"]["learning_rate"]
    known = all(_is_known(part) for part in _objects(config))
    return json.dumps([config, None if known else sorted(values.items())], sort_keys=True, default=repr)


def _has_keras_steps(model: keras.Model) -> bool:
    kind = type(model)
    return kind.train_step is keras.Model.train_step and kind.test_step is keras.Model.test_step


def _is_keras_loss(loss: Any) -> bool:
    return loss is None or isinstance(loss, str) or type(loss).__module__.startswith("keras.")


def _objects(config: Any) -> Iterator[Mapping[str, Any]]:
    """Every object that is written down in a configuration."""
    parts = config.values() if isinstance(config, dict) else config if isinstance(config, list) else ()
    if isinstance(config, dict) and "class_name" in config:
        yield config
    for part in parts:
        yield from _objects(part)


def _is_known(part: Mapping[str, Any]) -> bool:
    """Whether its configuration is known to be whole: Keras's own or ours, and no code of the user's inside."""
    package = (part.get("module") or "").split(".")[0] or (part.get("registered_name") or "").split(">")[0]
    return package in _OURS and part["class_name"] != "Lambda"
