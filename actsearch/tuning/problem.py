"""The problem that a search solves: a hypermodel, its hyperparameters, its data and its objective."""

import hashlib
import json
import re
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import keras
import keras_tuner
import numpy as np
from keras_tuner.engine.hypermodel import HyperModel

from actsearch._user_code import user_code
from actsearch.activations import registry
from actsearch.activations.bound import bind
from actsearch.analysis.units import Units
from actsearch.config import SearchConfig
from actsearch.diagnostics.advice import advise
from actsearch.diagnostics.issues import Issue
from actsearch.environment import describe_environment
from actsearch.errors import DataError, ModelError, UsageError
from actsearch.executors.auto import Workload, workload_of
from actsearch.records import Objective, SearchRecord
from actsearch.spaces import SearchSpace, choices_on, label_of, matching_of
from actsearch.swap.searched_model import SearchedModel
from actsearch.swap.weights import KEEP
from actsearch.training.batches import raw
from actsearch.training.callbacks import Callbacks
from actsearch.training.data import TrainingData, describe_data
from actsearch.training.execution import Executions, fit_options
from actsearch.training.model_cache import BuildFunction, build_model, json_of, some_rows, trains_by_fit
from actsearch.training.own_fit import OwnFit, has_own_fit
from actsearch.tuning.oracles import learns, num_planned


@dataclass(frozen=True)
class Hypermodel:
    """A build function, the hyperparameters that it asks for, and how it chooses activations.

    Args:
        build: Builds a compiled model from hyperparameters. It may have a method `matching(values)`, which names the
            initializers and dropout of a trial.
        hyperparameters: All hyperparameters that it asks for.
        model: Model that it builds from the defaults; in a tuner with `MLflowTracking`, None if it is not Keras's.
        space: Search space that it chooses activations from; None if it never calls `choose`.
        default_label: Activations of `model`.
        fit: The user's `HyperModel.fit`, if there is one.
    """

    build: BuildFunction
    hyperparameters: keras_tuner.HyperParameters
    model: keras.Model
    space: SearchSpace | None = None
    default_label: str = "-"
    fit: OwnFit | None = None

    @property
    def name(self) -> str:
        """Name of a search over it."""
        return self.space.name if self.space else "search"

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences on activations of an existing model that no trial replaces."""
        return tuple(self.build.remarks) if hasattr(self.build, "remarks") else ()

    def label_on(self, hp: Any) -> str:
        """Returns the activation label of a trial, after a model was built on its hyperparameters."""
        choices = choices_on(hp)
        return label_of(choices.values()) if choices else str(hp.values.get("activation", "-"))

    def activations_on(self, hp: Any) -> dict[str, dict[str, Any]]:
        """Returns the activations of a trial by site, as plain data; empty if the catalogue lacks them."""
        choices = choices_on(hp)
        if not choices and self.label_on(hp) in registry.names():
            return {"": bind(self.label_on(hp)).to_dict()}
        return {site or "": chosen.to_dict() for site, chosen in choices.items()}

    def matching_on(self, hp: Any) -> dict[str, str]:
        """Returns the initializer and dropout that the model built on these hyperparameters asked for."""
        if hasattr(self.build, "matching"):
            return dict(self.build.matching(hp.values)) if choices_on(hp) else {}
        return matching_of(choices_on(hp).values())

    @property
    def weights(self) -> str | None:
        """Whether executions `keep` the weights of an existing model or `redraw` them; None for a build function."""
        return self.build.weights if isinstance(self.build, SearchedModel) else None

    @property
    def baseline(self) -> str | None:
        """The label that all others are compared with."""
        if self.space is not None:
            return self.default_label
        choices = [hp for hp in self.hyperparameters.space if hp.name == "activation"]
        return "relu" if choices and "relu" in choices[0].values else None


def inspect_hypermodel(hypermodel: BuildFunction | HyperModel) -> Hypermodel:
    """Calls the build function with the defaults, and once more for each conditional scope that the user opens.

    Scopes that `choose` opens need no build: it registers all of their hyperparameters immediately.

    Raises:
        ModelError: The build function fails, or does not return a compiled model; the message has its traceback.
    """
    build: BuildFunction = hypermodel.build if isinstance(hypermodel, HyperModel) else hypermodel
    hp = keras_tuner.HyperParameters()
    model = _build(build, hp)
    chosen = choices_on(hp)
    collected = _in_all_scopes(hp, lambda attempt: _build(build, attempt))
    spaces = [c.space for c in chosen.values()]
    label = label_of(chosen.values()) if chosen else "-"
    return Hypermodel(build, collected, model, spaces[0] if spaces else None, label, _own_fit(hypermodel))


def inspect_fit(
    hypermodel: Hypermodel, data: TrainingData, config: SearchConfig, given: Mapping[str, Any]
) -> Hypermodel:
    """Calls a user's `HyperModel.fit` up to its first training step, as `inspect_hypermodel` calls `build`.

    Args:
        hypermodel: What is known from `build`.
        data: Training data.
        config: Numbers of the search.
        given: Options of `fit` that the user gave to the tuner or to `search`.

    Returns:
        The hypermodel with the hyperparameters of `fit` as well, and without options that `fit` sets itself.

    Raises:
        UsageError: `fit` sets an option that the user gave.
    """
    if hypermodel.fit is None:
        return hypermodel
    sample = some_rows(data.x)
    options = fit_options(data, epochs=config.epochs, batch_size=config.batch_size, callbacks=[])
    hp = hypermodel.hyperparameters.copy()
    hp.values = _defaults(hp)
    fit = hypermodel.fit.adapted(
        hp, lambda: build_model(hypermodel.build, hp, 0, sample), raw(data.x), options, {**given, **data.fit_options}
    )
    collected = hp
    if fit.reads_hyperparameters:
        collected = _in_all_scopes(
            hp,
            lambda attempt: fit.ask(attempt, build_model(hypermodel.build, attempt, 0, sample), raw(data.x), options),
        )
    return replace(hypermodel, fit=fit, hyperparameters=collected)


def _in_all_scopes(
    hp: keras_tuner.HyperParameters, ask: Callable[[keras_tuner.HyperParameters], Any]
) -> keras_tuner.HyperParameters:
    """Asks once more for each conditional scope that the user opens; returns all hyperparameters, at their defaults."""
    chosen = choices_on(hp)
    ours = {f"activation.{site}" if site else "activation" for site in chosen}
    collected = hp.copy()
    collected.values = _defaults(collected)
    tried: list[Any] = list(hp.active_scopes)
    waiting = _foreign(hp.inactive_scopes, ours)
    while waiting:
        scope = waiting.pop(0)
        if scope in tried:
            continue
        tried.append(scope)
        attempt = collected.copy()
        attempt.values = _defaults(collected) | {condition.name: condition.values[0] for condition in scope}
        ask(attempt)
        collected.merge(attempt)
        collected.values = _defaults(collected)
        waiting += _foreign(attempt.inactive_scopes, ours)
    return collected


def _own_fit(hypermodel: BuildFunction | HyperModel) -> OwnFit | None:
    return OwnFit(hypermodel.fit) if isinstance(hypermodel, HyperModel) and has_own_fit(hypermodel.build) else None


def _build(build: BuildFunction, hp: keras_tuner.HyperParameters) -> keras.Model:
    with user_code("The build function, called with its default hyperparameters,", ModelError):
        return build_model(build, hp, seed=0)


def _foreign(scopes: list[Any], ours: set[str]) -> list[Any]:
    return [scope for scope in scopes if not any(condition.name in ours for condition in scope)]


def _defaults(hp: keras_tuner.HyperParameters) -> dict[str, Any]:
    """Returns the default of each active hyperparameter; KerasTuner's ensure_active_values draws at random."""
    fresh = hp.copy()
    fresh.values = {}
    for parameter in fresh.space:
        if parameter.name not in fresh.values and fresh.is_active(parameter):
            fresh.values[parameter.name] = parameter.default
    return dict(fresh.values)


@dataclass(frozen=True)
class Problem:
    """Everything that is fixed before the first trial, except the numbers in `SearchConfig`.

    Args:
        hypermodel: Builds the models.
        objective: Objective of the search.
        data: Data that models are trained and validated on.
        data_description: Description of the data for the ledger and MLflow; derived from the arrays if empty.
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
        """Issues of the model built from the defaults; none for a subclassed model."""
        try:
            return advise(self.hypermodel.model, self.data.y)
        except (ModelError, DataError):
            return []

    def build(self, hp: keras_tuner.HyperParameters, seed: int) -> keras.Model:
        """Builds a model with these hyperparameters, to which `fit` adds its own; its weights come from the seed."""
        model, fit = build_model(self.hypermodel.build, hp, seed, self.sample), self.hypermodel.fit
        if fit is not None and fit.reads_hyperparameters:
            options = fit_options(self.data, epochs=1, batch_size=SearchConfig.batch_size, callbacks=[])
            fit.ask(hp, build_model(self.hypermodel.build, hp, seed, self.sample), raw(self.data.x), options)
        return model

    def executions(self, config: SearchConfig, callbacks: Callbacks) -> "partial[Executions]":
        """Returns the call that makes the `Executions`, in this process or another."""
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

    def workload(self, config: SearchConfig, oracle: keras_tuner.Oracle) -> Workload:
        """Estimates what a search has to do."""
        model = self.hypermodel.model
        has_batches = self.data.are_arrays or self.data.pipeline is not None
        return workload_of(
            model,
            self.data,
            config,
            num_trials=num_planned(oracle),
            learns=learns(oracle),
            is_fit=self.hypermodel.fit is not None or trains_by_fit(model) or not has_batches,
        )

    def record(self, config: SearchConfig, *, num_workers: int = 0) -> SearchRecord:
        """Makes the record of a new search: its space, configuration, data and environment.

        Raises:
            UsageError: The margin is larger than any difference of the objective.
        """
        _check_margin(self.objective, config.margin)
        workers = {"workers": num_workers} if num_workers else {}
        record = describe_search(
            self.hypermodel, self.objective, config, self.data_description or describe_data(self.data), workers
        )
        return replace(record, remarks=(*record.remarks, *self.data.remarks))


def _check_margin(objective: Objective, margin: float | None) -> None:
    if margin is not None and margin >= 1 and Units(objective, level=0.5).in_points:
        raise UsageError(
            f"margin is in the units of the objective, and no two values of {objective.name} differ by {margin:g}. "
            f"For {margin:g} points, write {margin / 100:g}."
        )


_USUAL_REASONS = ("inferred from", "the accuracy", "the loss")


def _remarks_on(objective: Objective) -> list[str]:
    """Returns what a reader may not expect of an objective that the user did not name."""
    if not objective.reason or objective.reason.startswith(_USUAL_REASONS):
        return []
    return [f"The objective is {objective.name}: {objective.reason}. Pass objective=... to choose another."]


def describe_search(
    hypermodel: Hypermodel,
    objective: Objective,
    config: SearchConfig,
    data: Mapping[str, Any],
    environment: Mapping[str, Any],
) -> SearchRecord:
    """Makes the first record in the ledger of a search."""
    space, model = hypermodel.space, hypermodel.model
    return SearchRecord(
        search_id=uuid.uuid4().hex,
        name=hypermodel.name,
        objective=objective,
        baseline=hypermodel.baseline,
        created_at=time.time(),
        space=space.to_dict() if space else hypermodel.hyperparameters.get_config(),
        config=config,
        model="" if model is None else model_fingerprint(model, with_weights=hypermodel.weights == KEEP),
        weights=hypermodel.weights,
        data=dict(data),
        environment=describe_environment() | dict(environment),
        remarks=(*hypermodel.remarks, *_remarks_on(objective)),
    )


_NAME, _NUMBER = re.compile(r'"([A-Za-z]\w*)"'), re.compile(r"_\d+(?=_|$)")


def _renumbered(text: str | None) -> str | None:
    """Numbers the names in a configuration from 0: Keras goes on counting when the same model is built once more."""
    known: dict[str, dict[str, int]] = {}

    def renumber(match: re.Match[str]) -> str:
        base = _NUMBER.sub("", match[1])
        names = known.setdefault(base, {})
        return f'"{base}_{names.setdefault(match[1], len(names))}"'

    return None if text is None else _NAME.sub(renumber, text)


def model_fingerprint(model: keras.Model, *, with_weights: bool = False) -> str:
    """Hashes a model's layers, optimizer and losses; for a subclassed model, the names and shapes of its weights.

    Args:
        model: The model.
        with_weights: Whether to include the values of its weights.

    Example:

    >>> def small(units):
    ...     return keras.Sequential([keras.Input((3,), name="in"), keras.layers.Dense(units, name="out")], name="small")
    >>> model_fingerprint(small(2)) == model_fingerprint(small(2)) != model_fingerprint(small(3))
    True
    """
    text = _renumbered(json_of(model))
    if text is None:
        shapes = [(weight.path, list(weight.shape)) for weight in model.weights]
        text = json.dumps([type(model).__qualname__, shapes])
    digest = hashlib.sha256(text.encode())
    for weight in model.get_weights() if with_weights else ():
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()[:16]
