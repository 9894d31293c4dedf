"""What a rebuilt model takes over beside its graph: what it was compiled with, and the attributes of its own class."""

import copy
import functools
import inspect
import types
from collections.abc import Callable, Set
from typing import Any

import keras

from actsearch._private import compile_arguments, function_of_metric, keras_message, optimizer_config
from actsearch.errors import ModelError
from actsearch.layers.rebuilt import keras_attributes
from actsearch.swap.copying import remade
from actsearch.swap.values import is_plain, is_users_class

_PLAIN = (bool, int, float, str, bytes, type(None), type)


class Counterparts:
    """Returns for each object of a model the one that takes its place in a rebuilt model, always the same one.

    Layers are those of the rebuilt model; optimizers, metrics, seed generators and variables are new ones, and so are
    objects of the user that hold layers of the model. Everything else, such as losses, schedules and functions, has no
    state and is used by both models.

    Args:
        layer: Returns the counterpart of a layer or model.
        owns: Returns whether a layer belongs to the original model.
    """

    def __init__(self, layer: Callable[[Any], Any], owns: Callable[[Any], bool]) -> None:
        self._layer, self._owns = layer, owns
        self._made: dict[int, tuple[Any, Any]] = {}

    def of(self, value: Any) -> Any:
        """Returns the counterpart of an object, or of all objects in a nested structure.

        Raises:
            ModelError: A function uses the original model, and cannot be told to use another one.
        """
        if isinstance(value, dict):  # its keys may be layers
            return {self._of(key): self.of(part) for key, part in value.items()}
        if isinstance(value, set):
            return {self._of(part) for part in value}
        return keras.tree.map_structure(self._of, value)

    def uses_model(self, value: Any, seen: Set[int] = frozenset()) -> bool:
        """Returns whether an object is a layer of the original model, or holds one."""
        if id(value) in seen or isinstance(value, _PLAIN):
            return False
        if isinstance(value, keras.layers.Layer):
            return self._owns(value)
        return any(self.uses_model(part, seen | {id(value)}) for part in _held_by(value))

    def _of(self, value: Any) -> Any:
        if isinstance(value, keras.layers.Layer):
            return self._layer(value)
        make = next((make for kind, make in _FRESH.items() if isinstance(value, kind)), None)
        makes = make is not None or _has_variables(value)
        if not makes and not self.uses_model(value):
            return value
        if inspect.ismethod(value):
            return types.MethodType(value.__func__, self._of(value.__self__))
        if isinstance(value, functools.partial):
            return functools.partial(self._of(value.func), *self.of(value.args), **self.of(value.keywords))
        if inspect.isfunction(value):
            raise ModelError(
                f"{value.__qualname__} is a function that uses the model itself, so a model with other activations "
                "cannot have it. Make it a method of the model's class."
            )
        if id(value) not in self._made:
            new = (make or _deep_copy)(value) if makes else object.__new__(type(value))
            self._made[id(value)] = (value, new)  # the old one too, so that its id stays taken
            held = vars(value).items() if hasattr(value, "__dict__") else ()
            changed = {name: self.of(part) for name, part in held if not makes or self.uses_model(part)}
            vars(new).update(changed)
        return self._made[id(value)][1]


def _held_by(value: Any) -> list[Any]:
    """Returns what an object of Python or of the user holds."""
    if inspect.ismethod(value):
        return [value.__self__]
    if isinstance(value, functools.partial):
        return [value.func, *value.args, *value.keywords.values()]
    if inspect.isfunction(value):
        return _used_by(value)
    if isinstance(value, dict):
        return [*value, *value.values()]
    if isinstance(value, list | tuple | set):
        return list(value)
    return list(vars(value).values()) if hasattr(value, "__dict__") and is_users_class(type(value)) else []


def _used_by(function: Any) -> list[Any]:
    """Returns what a function has of its surroundings: objects in its closure, and layers among its global names."""
    cells = [cell.cell_contents for cell in function.__closure__ or () if cell != types.CellType()]
    named = [function.__globals__.get(name) for name in function.__code__.co_names]
    return [*cells, *(value for value in named if isinstance(value, keras.layers.Layer))]


def compile_like(model: Any, new: Any, counterparts: Counterparts) -> None:
    """Compiles a rebuilt model as the original was, if it was, with counterparts of its optimizer and metrics.

    A `compile` of the model's own class is not called: its arguments are not known, and the attributes that it sets are
    copied with the others.

    Raises:
        ModelError: The optimizer or a metric cannot be copied.
    """
    if not model.compiled:
        return
    try:
        settings = {
            name: counterparts.of(value) if name in ("optimizer", "metrics", "weighted_metrics", "loss") else value
            for name, value in compile_arguments(model).items()
        }
    except Exception as error:  # the code of the class decides which
        raise ModelError(
            f"The model {model.name!r} is compiled with an object that cannot be copied: {keras_message(error)} "
            "Let get_config() of its class return all arguments of its __init__, and compile again."
        ) from error
    keras.Model.compile(new, **settings)


def fresh_optimizer(optimizer: Any) -> Any:
    """Returns a new optimizer with the same settings; a learning rate schedule of any kind is used by both."""
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return type(optimizer)(
            fresh_optimizer(optimizer.inner_optimizer),
            initial_scale=optimizer.initial_scale,
            dynamic_growth_steps=optimizer.dynamic_growth_steps,
            name=optimizer.name,
        )
    return remade(optimizer, type(optimizer), optimizer_config(optimizer))


def fresh_metric(metric: Any) -> Any:
    """Returns a new metric with the same settings, whether or not its class is registered or has a config."""
    kind = type(metric)
    if kind is keras.metrics.MeanMetricWrapper:
        function, arguments = function_of_metric(metric)
        return kind(function, name=metric.name, dtype=metric.dtype, **arguments)
    if not is_users_class(kind):
        return kind.from_config(metric.get_config())
    new = _deep_copy(metric)
    new.reset_state()
    return new


def _fresh_variable(variable: Any) -> Any:
    return keras.Variable(variable.numpy(), dtype=variable.dtype, trainable=variable.trainable, name=variable.name)


def _fresh_seeds(generator: Any) -> Any:
    return keras.random.SeedGenerator(name=generator.name)


_FRESH: dict[type, Callable[[Any], Any]] = {
    keras.metrics.Metric: fresh_metric,
    keras.optimizers.Optimizer: fresh_optimizer,
    keras.Variable: _fresh_variable,
    keras.random.SeedGenerator: _fresh_seeds,
}


def _has_variables(value: Any) -> bool:
    """Returns whether a loss has variables, so that two models must not share it."""
    return isinstance(value, keras.losses.Loss) and any(isinstance(v, keras.Variable) for v in vars(value).values())


def _deep_copy(thing: Any) -> Any:
    """Copies an object of the user's class with its state; layers in it, such as a pretrained encoder, are shared."""
    known: dict[int, Any] = {}
    for part in keras.tree.flatten(list(vars(thing).values())):
        if isinstance(part, keras.layers.Layer):
            known[id(part)] = part
        elif isinstance(part, tuple(_FRESH)) and id(part) not in known:
            known[id(part)] = next(make for kind, make in _FRESH.items() if isinstance(part, kind))(part)
    new = object.__new__(type(thing))
    vars(new).update(copy.deepcopy(vars(thing), known))
    return new


def has_own_behaviour(kind: type) -> bool:
    """Returns whether a model's class defines more than how it is made, saved and loaded."""
    makers = {"__init__", "get_config", "from_config", "__doc__", "__module__", "__qualname__", "__dict__"}
    own = [name for each in kind.__mro__ if is_users_class(each) for name in vars(each)]
    return any(name not in makers and not (name.startswith("__") and name.endswith("__")) for name in own)


def copy_attributes(old: Any, new: Any, counterparts: Counterparts, *, missing_only: bool = False) -> None:
    """Gives a rebuilt model the attributes that the original has and those of Keras's classes have not.

    Args:
        old: The original model.
        new: The rebuilt one. What its own `__init__` has set is kept, but for plain data that differ.
        counterparts: Returns the counterparts of their values.
        missing_only: Whether to keep all attributes that the new one has.

    Raises:
        ModelError: An attribute is a function that uses the original model.
    """
    for name, value in vars(old).items():
        if name in keras_attributes():
            continue
        if name in vars(new) and (missing_only or not _is_newer(value, vars(new)[name])):
            continue
        if any(isinstance(part, keras.KerasTensor) for part in _parts(value)):
            continue  # belongs to the graph of the original
        if inspect.isfunction(value) and counterparts.uses_model(value):
            raise ModelError(
                f"The attribute {name} of the model {old.name!r} is a function that uses this very model, so a model "
                f"with other activations cannot have it. Make it a method of {type(old).__name__}."
            )
        setattr(new, name, counterparts.of(value))


def _parts(value: Any) -> list[Any]:
    """Returns the objects in a nested structure; Keras cannot flatten a dictionary whose keys have no order."""
    if isinstance(value, dict):
        return [part for key, inner in value.items() for part in (key, *_parts(inner))]
    return list(keras.tree.flatten(value))


def _is_newer(value: Any, now: Any) -> bool:
    """Returns whether an attribute has to be copied though the new model has one of this name."""
    if any(isinstance(part, keras.layers.Layer | keras.Variable) for part in _parts(value)):
        return True
    return is_plain(value) and is_plain(now) and value != now
