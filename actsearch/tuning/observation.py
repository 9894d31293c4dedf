"""Observes a KerasTuner tuner for the ledger and MLflow, without ever being the reason why one of its trials fails."""

import itertools
import math
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from actsearch.config import MAX_SEED, SearchConfig
from actsearch.errors import summarize
from actsearch.layers.base import exclude_from_weight_decay
from actsearch.ledger import FILE_NAME, Ledger
from actsearch.records import Direction, Objective, TrialRecord, execution_seed
from actsearch.spaces import choices_on, label_of
from actsearch.tracking.store import StoreAddress
from actsearch.tuning.fit_results import parts_of, score_of
from actsearch.tuning.observed_training import ObservedTraining, record_of
from actsearch.tuning.problem import Hypermodel, describe_search
from actsearch.tuning.state import SearchState


class Observer:
    """Writes what a KerasTuner tuner does to a ledger and to MLflow.

    An error of its own becomes one warning that says what MLflow is missing; the tuner continues.

    Args:
        tuner: The tuner; it need not be initialized yet.
        store: MLflow store and experiment.
    """

    def __init__(self, tuner: Any, store: StoreAddress) -> None:
        self._tuner = tuner
        self._store = store
        self._is_searching = False
        self._ledger: Ledger | None = None
        self._hypermodel: Hypermodel | None = None
        self._trials: dict[str, TrialRecord] = {}
        self._epochs = 1
        self._training: ObservedTraining | None = None
        self._waiting: list[ObservedTraining] | None = None  # trainings inside a `run_trial` that has not returned yet
        self._noted: set[str] = set()
        self._unraised: list[str] = []

    @contextmanager
    def searching(self, options: dict[str, Any]) -> Iterator[None]:
        """Records the trainings in a `with` block as one search; the chief of a distributed search has none.

        Args:
            options: Keyword arguments of the tuner's `search`.
        """
        state = opened = error = None
        self._is_searching = True
        if not _is_chief():
            with self._guard("the search"):
                state = self._new_state(options)
                opened = state.open()
                self._ledger = opened.__enter__()
        try:
            yield
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._is_searching, self._ledger = False, None
            if state is not None and opened is not None:
                with self._guard("the end of the search"):
                    opened.__exit__(type(error) if error else None, error, error.__traceback__ if error else None)
                self._tuner.mlflow = state.mlflow
                if "problem" in state.mlflow:
                    self._note("part of the search", state.mlflow["problem"])

    def raise_late(self) -> None:
        """Raises the warnings that the user wants as errors, now that no trial can fail because of them."""
        texts, self._unraised = self._unraised, []
        for text in texts:
            warnings.warn(text, RuntimeWarning, stacklevel=3)

    @contextmanager
    def execution(self, trial: Any, options: dict[str, Any]) -> Iterator[ObservedTraining]:
        """Observes one training, in a `with` block that puts what it returns in `results`.

        Args:
            trial: KerasTuner's trial.
            options: Keyword arguments of the training; a callback is added to them.
        """
        with self._session(), self._measured(trial, options, self._record_or_wait) as training:
            options["callbacks"] = [*(options.get("callbacks") or []), training.log]
            self._training = training
            try:
                yield training
            finally:
                self._training = None

    @contextmanager
    def whole_trial(self, trial: Any) -> Iterator[ObservedTraining]:
        """Observes a user's own `run_trial`, in a `with` block that puts what it returns in `results`."""
        if self._waiting is not None:  # an override that calls the one of its base class
            yield ObservedTraining()
            return
        with self._session(), self._measured(trial, {}, self._record_whole) as whole:
            self._waiting = []
            yield whole

    def build(self, build: Callable[[Any], Any], hp: Any) -> Any:
        """Calls a build; that of a training is seeded and timed.

        KerasTuner's `clear_session` just before a build discards any earlier seed.
        """
        training = self._training
        if training is None:
            return build(hp)
        training.seed = execution_seed(self._seed, training.number)
        keras.utils.set_random_seed(training.seed)
        model = build(hp)
        with self._guard("the exclusion of learned activations from weight decay"):
            if isinstance(model, keras.Model) and model.built:
                exclude_from_weight_decay(model)
        training.built(model)
        return model

    @contextmanager
    def _session(self) -> Iterator[None]:
        """Opens the ledger for trainings outside of `search`."""
        if self._is_searching:
            yield
            return
        with self.searching({}):
            yield

    @contextmanager
    def _measured(
        self, trial: Any, options: dict[str, Any], settle: Callable[[Any, ObservedTraining], None]
    ) -> Iterator[ObservedTraining]:
        """Measures the training in a `with` block, and has it recorded."""
        training = ObservedTraining()
        with self._guard("resources"):
            training.begin(self._next_number(trial), self._granted(trial, options))
        try:
            yield training
        except BaseException as error:
            training.error = error
            raise
        finally:
            with self._guard("resources"):
                training.end()
            if training.log.problem is not None:
                self._note("epochs", summarize(training.log.problem))
            with self._guard("executions"):
                settle(trial, training)

    def _record_or_wait(self, trial: Any, training: ObservedTraining) -> None:
        if self._waiting is None:
            self._record(trial, [training])
        else:
            self._waiting.append(training)

    def _record_whole(self, trial: Any, whole: ObservedTraining) -> None:
        """Records a `run_trial`, whose result decides the scores of the trainings inside it, as in KerasTuner."""
        inside, self._waiting = self._waiting or [], None
        if whole.error is not None:
            is_recorded = any(training.error is whole.error for training in inside)
            self._record(trial, inside if is_recorded else [*inside, whole])
            return
        if whole.results is None:
            whole.results = self._reported(trial)
        self._record(trial, self._with_scores(inside, whole) if inside else whole.split(parts_of(whole.results)))

    def _with_scores(self, inside: list[ObservedTraining], whole: ObservedTraining) -> list[ObservedTraining]:
        """Gives the trainings inside a `run_trial` the scores that it returned; one for all makes them one training."""
        parts, objective = parts_of(whole.results), self._tuner.oracle.objective
        if len(parts) == len(inside):
            return [replace(training, results=part) for training, part in zip(inside, parts, strict=True)]
        own, total = score_of([training.results for training in inside], objective), score_of(whole.results, objective)
        if own is not None and total is not None and math.isclose(own, total):
            return inside
        self._note(
            "executions",
            f"run_trial trained {len(inside)} times and returned {len(parts)} score{'s' * (len(parts) > 1)}, recorded "
            "as one execution",
        )
        return [replace(inside[-1], results=whole.results)]

    def _record(self, trial: Any, trainings: list[ObservedTraining]) -> None:
        """Writes trainings that ended to the ledger; the trial is written with the first, which has found all its
        hyperparameters.
        """
        if self._ledger is None:
            return
        for training in trainings:
            known = self._trials.get(trial.trial_id)
            if known is None:
                known = self._described(trial)
                self._ledger.append_trial(known)
            training.number = len(known.executions) + 1
            record = record_of(training, trial.trial_id, self._tuner.oracle.objective)
            self._trials[trial.trial_id] = known
            self._ledger.append_execution(record)
            self._trials[trial.trial_id] = replace(known, executions=(*known.executions, record))

    def _described(self, trial: Any) -> TrialRecord:
        hp, hypermodel = trial.hyperparameters, self._hypermodel
        assert hypermodel is not None
        return TrialRecord(
            trial.trial_id,
            dict(hp.values),
            hypermodel.label_on(hp),
            hypermodel.matching_on(hp),
            activations=hypermodel.activations_on(hp),
        )

    def _next_number(self, trial: Any) -> int:
        known = self._trials.get(trial.trial_id)
        return len(known.executions if known else ()) + len(self._waiting or ()) + 1

    def _granted(self, trial: Any, options: dict[str, Any]) -> int:
        """Returns the epochs that Hyperband grants an execution; elsewhere those of the search, whatever `fit` does."""
        if "tuner/epochs" not in trial.hyperparameters.values:
            return self._epochs
        return _count(options.get("epochs", 1) - options.get("initial_epoch", 0), self._epochs)

    def _reported(self, trial: Any) -> Any:
        """Returns the score that `run_trial` reported to the oracle instead of returning it."""
        name, metrics = self._tuner.oracle.objective.name, self._tuner.oracle.get_trial(trial.trial_id).metrics
        return metrics.get_best_value(name) if metrics.exists(name) else None

    @property
    def _seed(self) -> int:
        """The seed of the oracle; 0 where it has none for us, so that the workers of one search agree."""
        seed = getattr(self._tuner.oracle, "seed", 0)
        return int(seed) if isinstance(seed, int | np.integer) and 0 <= seed <= MAX_SEED else 0

    def _new_state(self, options: dict[str, Any]) -> SearchState:
        tuner, objective = self._tuner, self._tuner.oracle.objective
        self._hypermodel = self._inspected()
        goal = Objective(str(objective.name), Direction(objective.direction))
        self._epochs = _count(getattr(tuner.oracle, "max_epochs", None) or options.get("epochs"), 1)
        batch_size = options.get("batch_size", SearchConfig.batch_size)
        config = SearchConfig(
            seed=self._seed,
            executions=getattr(tuner, "executions_per_trial", None),
            oracle=type(tuner.oracle).__name__,
            max_trials=getattr(tuner.oracle, "max_trials", None),
            max_executions=None,
            factor=None,
            rungs=None,
            epochs=self._epochs,
            batch_size=_count(batch_size, SearchConfig.batch_size),
        )
        search = describe_search(self._hypermodel, goal, config, {}, {"tuner": type(tuner).__name__})
        state = SearchState(self._directory(goal), search, store=self._store)
        self._trials = state.earlier_trials
        return state

    def _inspected(self) -> Hypermodel:
        """Builds the model of the default hyperparameters, from which space, baseline and fingerprint are read."""
        hypermodel, hp = self._tuner.hypermodel, self._tuner.oracle.get_space()
        build = _builds_nothing if hypermodel is None else hypermodel.build
        model: Any = None
        chosen: dict[str | None, Any] = {}
        with self._guard("the model and the baseline of the search"):
            model = build(hp)
            chosen = choices_on(hp)
        return Hypermodel(
            build,
            hp,
            model if isinstance(model, keras.Model) else None,
            next((each.space for each in chosen.values()), None),
            label_of(chosen.values()) if chosen else "-",
        )

    def _directory(self, goal: Objective) -> Path:
        """Returns the directory of the ledger: the tuner's, unless that has the ledger of another search.

        Each worker of a distributed search has its own. A tuner that starts anew in an old directory, because it had
        saved nothing, gives other trials the same ids.
        """
        project = Path(self._tuner.project_dir)
        base = project / f"actsearch-{self._tuner.tuner_id}" if _is_distributed() else project
        for folder in itertools.chain([base], (base / f"actsearch-{number}" for number in itertools.count(2))):
            if not (folder / FILE_NAME).exists():
                return folder
            earlier, trials = Ledger(folder).read(), getattr(self._tuner.oracle, "trials", None)
            is_known = trials is None or {trial.trial_id for trial in earlier.trials} <= set(trials)
            if earlier.objective == goal and is_known:
                return folder
        raise AssertionError  # `count` does not end

    @contextmanager
    def _guard(self, what: str) -> Iterator[None]:
        """Turns an error in a `with` block of ours into a warning."""
        try:
            yield
        except Exception as error:  # noqa: BLE001  the tuner works without us
            self._note(what, summarize(error))

    def _note(self, what: str, why: str) -> None:
        """Warns of what MLflow is missing, once for each kind."""
        if what in self._noted:
            return
        self._noted.add(what)
        text = f"MLflow is missing data: {what} ({why}). KerasTuner's own search is not affected."
        try:
            warnings.warn(text, RuntimeWarning, stacklevel=2)
        except RuntimeWarning:  # warnings are errors here
            self._unraised.append(text)


def _count(given: Any, otherwise: int) -> int:
    return given if isinstance(given, int) and given > 0 else otherwise


def _builds_nothing(hp: Any) -> Any:
    """The build function of a tuner without hypermodel."""


def _is_distributed() -> bool:
    return "KERASTUNER_ORACLE_IP" in os.environ


def _is_chief() -> bool:
    return _is_distributed() and "chief" in os.environ.get("KERASTUNER_TUNER_ID", "")
