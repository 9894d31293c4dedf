"""What is searched: a hypermodel, what it varies, its data and its objective."""

import hashlib
import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import keras_tuner
from keras_tuner.engine.hypermodel import HyperModel

from actsearch._user_code import user_code
from actsearch.activations import registry
from actsearch.activations.bound import bind
from actsearch.config import SearchConfig
from actsearch.diagnostics.advice import advise
from actsearch.diagnostics.issues import Issue
from actsearch.environment import describe_environment
from actsearch.errors import DataError, ModelError
from actsearch.records import Objective, SearchRecord
from actsearch.spaces import SearchSpace, choices_on, label_of, matching_of
from actsearch.training.callbacks import Callbacks
from actsearch.training.data import TrainingData, describe_data
from actsearch.training.execution import Executions, FitFunction
from actsearch.training.model_cache import BuildFunction, build_model, some_rows, trains_by_fit


@dataclass(frozen=True)
class Hypermodel:
    """A build function, the hyperparameters that it asks for, and how it chooses activations.

    Args:
        build: From hyperparameters to a compiled model. It may have a method `matching(values)`, which says which
            initializers and dropout a trial has.
        hyperparameters: All that it asks for.
        model: The model that it builds from every default.
        space: The search space that it chooses activations from; None where it never calls `choose`.
        default_label: The activations of `model`.
        fit: The `HyperModel.fit` of the user's own, where there is one.
    """

    build: BuildFunction
    hyperparameters: keras_tuner.HyperParameters
    model: keras.Model
    space: SearchSpace | None = None
    default_label: str = "-"
    fit: FitFunction | None = None

    @property
    def name(self) -> str:
        """The name of a search over it."""
        return self.space.name if self.space else "search"

    def label_on(self, hp: Any) -> str:
        """The activation label of a trial, after a model was built on its hyperparameters."""
        choices = choices_on(hp)
        return label_of(choices.values()) if choices else str(hp.values.get("activation", "-"))

    def activations_on(self, hp: Any) -> dict[str, dict[str, Any]]:
        """The activations of a trial by site, as plain data; none where the catalogue does not have them."""
        choices = choices_on(hp)
        if not choices and self.label_on(hp) in registry.names():
            return {"": bind(self.label_on(hp)).to_dict()}
        return {site or "": chosen.to_dict() for site, chosen in choices.items()}

    def matching_on(self, hp: Any) -> dict[str, str]:
        """Initializer and dropout that the model built on these hyperparameters asked for."""
        if hasattr(self.build, "matching"):
            return dict(self.build.matching(hp.values)) if choices_on(hp) else {}
        return matching_of(choices_on(hp).values())

    @property
    def baseline(self) -> str | None:
        """The label that all others are compared with."""
        if self.space is not None:
            return self.default_label
        choices = [hp for hp in self.hyperparameters.space if hp.name == "activation"]
        return "relu" if choices and "relu" in choices[0].values else None


def inspect_hypermodel(hypermodel: BuildFunction | HyperModel) -> Hypermodel:
    """Calls the build function with every default, and once more for each conditional scope of the user's own.

    Scopes that `choose` opens need no build: it registers all of them at once.

    Raises:
        ModelError: The build function fails, or returns no compiled model; its own traceback is shown.
    """
    build: BuildFunction = hypermodel.build if isinstance(hypermodel, HyperModel) else hypermodel
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
    return Hypermodel(build, known, model, spaces[0] if spaces else None, label, _own_fit(hypermodel))


def _own_fit(hypermodel: BuildFunction | HyperModel) -> FitFunction | None:
    if isinstance(hypermodel, HyperModel) and type(hypermodel).fit is not HyperModel.fit:
        return hypermodel.fit
    return None


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


@dataclass(frozen=True)
class Problem:
    """What is searched: everything that is fixed before the first trial, but the numbers in `SearchConfig`.

    Args:
        hypermodel: Builds the models.
        objective: What is searched for.
        data: What models are trained and validated on.
        data_description: What the ledger and MLflow say of the data; found from the arrays if empty.
    """

    hypermodel: Hypermodel
    objective: Objective
    data: TrainingData
    data_description: Mapping[str, Any]

    @property
    def sample(self) -> Any:
        """A row of x."""
        return some_rows(self.data.x)

    @property
    def advice(self) -> list[Issue]:
        """What is wrong with the model as it is built with every default; nothing of a subclassed one."""
        try:
            return advise(self.hypermodel.model, self.data.y)
        except (ModelError, DataError):
            return []

    def build(self, hp: keras_tuner.HyperParameters, seed: int) -> keras.Model:
        """A model with these hyperparameters, its weights drawn from the seed."""
        return build_model(self.hypermodel.build, hp, seed, self.sample)

    def executions(self, config: SearchConfig, callbacks: Callbacks) -> "partial[Executions]":
        """The call that makes what runs executions, in this process or another."""
        return partial(
            Executions,
            self.hypermodel.build,
            self.data,
            self.objective,
            callbacks=callbacks,
            batch_size=config.batch_size,
            fit=self.hypermodel.fit,
            compiled=not trains_by_fit(self.hypermodel.model),
            seed=config.seed,
        )

    def record(self, config: SearchConfig, *, num_workers: int = 0) -> SearchRecord:
        """A new search: what varies, what was asked for, on what data, and where it runs."""
        workers = {"workers": num_workers} if num_workers else {}
        return describe_search(
            self.hypermodel, self.objective, config, self.data_description or describe_data(self.data), workers
        )


def describe_search(
    hypermodel: Hypermodel,
    objective: Objective,
    config: SearchConfig,
    data: Mapping[str, Any],
    environment: Mapping[str, Any],
) -> SearchRecord:
    """The record with which the ledger of a search begins."""
    space = hypermodel.space
    return SearchRecord(
        search_id=uuid.uuid4().hex,
        name=hypermodel.name,
        objective=objective,
        baseline=hypermodel.baseline,
        created_at=time.time(),
        space=space.to_dict() if space else hypermodel.hyperparameters.get_config(),
        config=config,
        model=model_fingerprint(hypermodel.model),
        data=dict(data),
        environment=describe_environment() | dict(environment),
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
