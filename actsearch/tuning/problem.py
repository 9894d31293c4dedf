"""What a build function searches over, found by calling it, without KerasTuner's build for each scope."""

import hashlib
import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import keras_tuner

from actsearch._user_code import user_code
from actsearch.diagnostics.advice import advise
from actsearch.diagnostics.issues import Issue
from actsearch.environment import describe_environment
from actsearch.errors import DataError, ModelError
from actsearch.records import Objective, SearchRecord
from actsearch.spaces import SearchSpace, choices_on, label_of, matching_of
from actsearch.training.model_cache import BuildFunction, build_model


@dataclass(frozen=True)
class Discovery:
    """The hyperparameters of a build function, and how it chooses activations.

    `space` is None where it never calls `choose`. `build` may say itself, by a method `matching(values)`, which
    initializers and dropout a trial has. `model` is the one with every default, `default_label` its activations.
    """

    build: BuildFunction
    hyperparameters: keras_tuner.HyperParameters
    model: keras.Model
    space: SearchSpace | None = None
    default_label: str = "-"

    def label_on(self, hp: Any) -> str:
        """The activation label of a trial, after a model was built on its hyperparameters."""
        choices = choices_on(hp)
        return label_of(choices.values()) if choices else str(hp.values.get("activation", "-"))

    def matching_on(self, hp: Any) -> dict[str, str]:
        """Initializer and dropout that the model built on these hyperparameters asked for."""
        if hasattr(self.build, "matching"):
            return dict(self.build.matching(hp.values)) if choices_on(hp) else {}
        return matching_of(choices_on(hp).values())

    def advice(self, y: Any) -> list[Issue]:
        """What is wrong with the model as it is built with every default; nothing of a subclassed one."""
        try:
            return advise(self.model, y)
        except (ModelError, DataError):
            return []

    @property
    def baseline(self) -> str | None:
        """The label that all others are compared with."""
        if self.space is not None:
            return self.default_label
        choices = [hp for hp in self.hyperparameters.space if hp.name == "activation"]
        return "relu" if choices and "relu" in choices[0].values else None


def discover(build: BuildFunction) -> Discovery:
    """Calls the build function with every default, and once more for each conditional scope of the user's own.

    Scopes that `choose` opens need no build: it registers all of them at once.

    Raises:
        ModelError: The build function fails, or returns no compiled model; its own traceback is shown.
    """
    hp = keras_tuner.HyperParameters()
    model = _build(build, hp)
    chosen = choices_on(hp)
    ours = {f"activation.{site}" if site else "activation" for site in chosen}
    known = hp.copy()
    known.values = _defaults(known)
    tried: list[Any] = list(hp.active_scopes)
    waiting = _foreign(hp.inactive_scopes, ours)
    while waiting:
        scope = waiting.pop(0)
        if scope in tried:
            continue
        tried.append(scope)
        attempt = known.copy()
        attempt.values = _defaults(known) | {condition.name: condition.values[0] for condition in scope}
        _build(build, attempt)
        known.merge(attempt)
        known.values = _defaults(known)
        waiting += _foreign(attempt.inactive_scopes, ours)
    spaces = [c.space for c in chosen.values()]
    label = label_of(chosen.values()) if chosen else "-"
    return Discovery(build, known, model, spaces[0] if spaces else None, label)


def _build(build: BuildFunction, hp: keras_tuner.HyperParameters) -> keras.Model:
    with user_code("The build function, called with its default hyperparameters,", ModelError):
        return build_model(build, hp, seed=0)


def _foreign(scopes: list[Any], ours: set[str]) -> list[Any]:
    return [scope for scope in scopes if not any(condition.name in ours for condition in scope)]


def _defaults(hp: keras_tuner.HyperParameters) -> dict[str, Any]:
    """The default of each hyperparameter that is active; KerasTuner's own ensure_active_values draws at random."""
    fresh = hp.copy()
    fresh.values = {}
    for parameter in fresh.space:
        if parameter.name not in fresh.values and fresh.is_active(parameter):
            fresh.values[parameter.name] = parameter.default
    return dict(fresh.values)


def describe_search(
    discovery: Discovery,
    objective: Objective,
    settings: Mapping[str, Any],
    data: Mapping[str, Any],
    *,
    workers: int = 0,
) -> SearchRecord:
    """A new search: what varies, what was asked for, on what data, and where it runs."""
    space = discovery.space
    return SearchRecord(
        search_id=uuid.uuid4().hex,
        name=space.name if space else "search",
        objective=objective,
        baseline=discovery.baseline,
        created_at=time.time(),
        space=space.to_dict() if space else discovery.hyperparameters.get_config(),
        settings=dict(settings) | {"model": model_fingerprint(discovery.model)},
        data=dict(data),
        environment=describe_environment() | ({"workers": workers} if workers else {}),
    )


def model_fingerprint(model: keras.Model) -> str:
    """Tells models of other layers, optimizers or losses apart; of a subclassed one, other names or shapes.

    Example:

    >>> def small(units):
    ...     return keras.Sequential([keras.Input((3,), name="in"), keras.layers.Dense(units, name="out")], name="small")
    >>> model_fingerprint(small(2)) == model_fingerprint(small(2)) != model_fingerprint(small(3))
    True
    """
    try:
        text = model.to_json()
    except (NotImplementedError, TypeError, ValueError):
        shapes = [(weight.path, list(weight.shape)) for weight in model.weights]
        text = json.dumps([type(model).__qualname__, shapes])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
