"""The search itself: trials from an oracle, executions in the order of an allocation, facts into the ledger."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import keras
import keras_tuner
from keras_tuner.engine.hypermodel import HyperModel

from actsearch._locks import locked
from actsearch.errors import SearchFailedError, UsageError
from actsearch.executors.config import Place
from actsearch.executors.isolated import Child
from actsearch.executors.pool import Crew
from actsearch.ledger import FILE_NAME, Ledger
from actsearch.records import SearchRecord, TrialRecord, execution_seed, parse_objective
from actsearch.tracking.store import store_address
from actsearch.training.callbacks import Callbacks
from actsearch.training.data import TrainingData, describe_data, training_data
from actsearch.training.execution import Executions
from actsearch.training.model_cache import BuildFunction, build_model, some_rows, trains_by_fit
from actsearch.tuning.config import Settings
from actsearch.tuning.loop import Run
from actsearch.tuning.oracles import make_oracle
from actsearch.tuning.problem import describe_search, discover
from actsearch.tuning.progress import Lines, Reporter
from actsearch.tuning.replay import changed_versions, check_same_search
from actsearch.tuning.result import SearchResult, failure
from actsearch.tuning.signals import Interruption
from actsearch.tuning.state import Book, Recording
from actsearch.tuning.storage import ORACLE_FOLDER, check_which, load_weights, prepare_directory, save_models
from actsearch.tuning.trial_source import Proposals, screened


class ActivationTuner(keras_tuner.Tuner):
    """Searches the activation function of a Keras model as KerasTuner searches other hyperparameters.

    Executions go seed by seed: every trial on the first seed, then every trial on the second, and so on, so that
    trials are compared in pairs. Every fact goes to a ledger first; MLflow is drawn from it by a process of its own.

    Args:
        build: `build(hp)` that returns a compiled Keras model and calls `actsearch.choose`, or a
            `keras_tuner.HyperModel`.
        objective: A metric of the logs (`"val_accuracy"`), with a direction where the name does not tell
            (`"val_f1:max"`).
        executions: Trainings of each trial, each from another seed; at each rung, in `halving`.
        allocation: Which trial gets the next execution: `fixed`, `halving` or `race`; see
            `actsearch.tuning.allocation`.
        max_executions: The most trainings of a trial, in `race`.
        alpha, margin: The chance of wrong claims, and the difference that does not matter; for `race` and the verdict.
        time_budget: Seconds after which no further seed is begun; the one under way is completed.
        epochs: Epochs of an execution.
        batch_size: Samples a batch, where the hyperparameters have no `batch_size`.
        oracle: `grid`, `random`, `bayesian`, `hyperband`, a KerasTuner oracle, or None: a grid where the space is
            finite.
        max_trials: The most trials.
        screen: Whether each trial is looked at before it is trained: `off`, `report` what makes its training
            hopeless, or `skip` such trials (never the baseline).
        health: Whether the first execution of each trial is diagnosed at its first and last epoch.
        isolate: Whether executions run in a child process: what ends it fails one execution and not the search.
        execution_timeout: Seconds that an execution may take, in a child process.
        workers: How many processes train at a time, on Ray; 0 for none but this one.
        address: A Ray cluster that the workers are on, `auto` or HOST:PORT; this machine if left out.
        gpus_per_worker: GPUs of each worker, also a share of one; equal shares of all if left out.
        max_retries: How often an execution is trained again whose worker was lost.
        seed: Weights, dropout and the order of the data follow from it: the same seed gives the same numbers on CPU.
        directory: Where ledger and weights go; a new one under `actsearch-runs` if left out. The same search in the
            directory of an earlier one goes on where that ended.
        overwrite: Whether a search that is in `directory` is deleted.
        log_models: Which trained models are saved and logged to MLflow: the `best` trial's, `all`, or `none`.
        register: A name under which the best model is registered in MLflow.
        tracking_uri, experiment: The MLflow store; else MLflow's environment variables, else `mlflow.db` here.
        reporter: Hears of the progress; plain lines on standard error if left out.

    Raises:
        UsageError: Something cannot be searched as asked; nothing was trained.

    Example:

    >>> import keras, actsearch
    >>> def build(hp):
    ...     activation = actsearch.choose(hp, "relu_variants")
    ...     dense = keras.layers.Dense(8, kernel_initializer=activation.initializer())
    ...     model = keras.Sequential([keras.Input((4,)), dense, activation.layer(), keras.layers.Dense(1)])
    ...     model.compile("adam", "mse")
    ...     return model
    >>> tuner = actsearch.ActivationTuner(build, objective="val_loss", epochs=2, directory=getfixture("tmp_path"))
    >>> tuner.oracle.objective.direction
    'min'
    """

    def __init__(
        self,
        build: BuildFunction | HyperModel,
        *,
        objective: Any = "val_accuracy",
        executions: int = 3,
        allocation: str = "fixed",
        max_executions: int = 30,
        alpha: float = 0.05,
        margin: float | None = None,
        time_budget: float | None = None,
        epochs: int = 30,
        batch_size: int = 32,
        oracle: str | keras_tuner.Oracle | None = None,
        max_trials: int | None = None,
        screen: str = "off",
        health: bool = True,
        isolate: bool | Child = False,
        execution_timeout: float | None = None,
        workers: int | Crew = 0,
        address: str | None = None,
        gpus_per_worker: float | None = None,
        max_retries: int = 1,
        seed: int = 0,
        directory: str | Path | None = None,
        overwrite: bool = False,
        log_models: str = "best",
        register: str | None = None,
        tracking_uri: str | None = None,
        experiment: str | None = None,
        reporter: Reporter | None = None,
    ) -> None:
        self._settings = Settings(
            seed,
            executions,
            allocation,
            max_executions,
            alpha,
            margin,
            time_budget,
            epochs,
            batch_size,
            max_trials,
            screen,
            health,
        )
        self._place = Place(isolate, execution_timeout, workers, address, gpus_per_worker, max_retries)
        self._log_models, self._register = check_which(log_models, register), register
        self._build: BuildFunction = build.build if isinstance(build, HyperModel) else build
        self._own_fit = build.fit if isinstance(build, HyperModel) and type(build).fit is not HyperModel.fit else None
        self._objective = parse_objective(objective)
        self._allocation = self._settings.make_allocation(self._objective)
        self._address = store_address(tracking_uri, experiment)
        self._discovery = discover(self._build)
        space = self._discovery.hyperparameters
        made = make_oracle(oracle, self._objective, space=space, max_trials=max_trials, epochs=epochs, seed=seed)
        made.max_consecutive_failed_trials = float("inf")  # a failed trial is a result, not the end of the search
        made.verbose = 0
        self._reporter: Reporter = reporter or Lines()
        name = self._discovery.space.name if self._discovery.space else "search"
        self.search_directory = prepare_directory(directory, name, overwrite=overwrite)
        super().__init__(
            oracle=made,
            hypermodel=build,
            directory=str(self.search_directory),
            project_name=ORACLE_FOLDER,
            overwrite=True,
        )
        self._sample: Any = None
        self._has_searched = False

    def _populate_initial_space(self) -> None:
        """The space is known already, from one build instead of one for each conditional scope."""
        self.oracle.update_space(self._discovery.hyperparameters)
        self.oracle.verbose = 0

    def search(
        self,
        x: Any,
        y: Any = None,
        *,
        validation_data: Any = None,
        test_data: Any = None,
        callbacks: Callbacks = (),
        data: Mapping[str, Any] | None = None,
        **fit_options: Any,
    ) -> SearchResult:
        """Runs the search.

        Args:
            x, y: Training data: arrays, or nested structures of them for several inputs or outputs; or a
                `tf.data.Dataset` as `x`.
            validation_data: `(x, y)`: chooses epochs and is what the objective is measured on.
            test_data: `(x, y)` that nothing is chosen by: gives the test metrics.
            callbacks: Keras callbacks, copied for each execution, or a function that returns new ones.
            data: What the ledger and MLflow say of the data; found from the arrays if left out.
            **fit_options: `sample_weight` and `class_weight`; anything else that `model.fit` takes, which then does
                the training.

        Returns:
            The result, also of a search in which some executions failed.

        Raises:
            UsageError: The search is meaningless as asked.
            SearchFailedError: Not one execution completed.
        """
        if self._has_searched:
            raise UsageError("This tuner has searched already. Make another one: in the same directory it goes on.")
        self._has_searched = True
        training = training_data(x, y, validation_data, test_data, fit_options, self._objective)
        self._sample = some_rows(training.x)
        search = self._described(data or describe_data(training))
        make = partial(
            Executions,
            self._build,
            training,
            self._objective,
            callbacks=callbacks,
            batch_size=self._settings.batch_size,
            fit=self._own_fit,
            health=self._settings.health,
            compiled=not trains_by_fit(self._discovery.model),
            seed=self._settings.seed,
        )
        with locked(self.search_directory):
            return self._search(search, training, make)

    def _search(self, search: SearchRecord, training: TrainingData, make: "partial[Executions]") -> SearchResult:
        directory, reporter = self.search_directory, self._reporter
        changed = self._changed_since_its_begin(search)
        recording = Recording(directory, self._address, message=reporter.message)
        interruption = Interruption(reporter.message)
        place = self._place.executor(make, reporter.message)
        with place as executor, recording.of(search) as ledger, interruption.watching():
            book = Book(ledger, directory, self._objective)
            reporter.begin(search, str(directory))
            if book.num_recorded:
                reporter.message(f"going on after {book.num_recorded} executions that are in the ledger")
            for text in [*changed, *(f"advice: {issue}" for issue in self._discovery.advice(training.y))]:
                reporter.message(text)
            proposals = self._proposals(training, book.before)
            try:
                Run(self._settings, self._allocation, proposals, executor, book, reporter, interruption).to_the_end()
            finally:
                reporter.end()
            save_models(
                ledger.read(),
                directory,
                self._log_models,
                load=self._trained,
                sample=self._sample,
                message=reporter.message,
            )
        return self._result(ledger.read(), recording.mlflow)

    def _changed_since_its_begin(self, search: SearchRecord) -> list[str]:
        """What a search that goes on is to be told of; nothing for a new one."""
        if not (self.search_directory / FILE_NAME).exists():
            return []
        before = Ledger(self.search_directory).read()
        check_same_search(before, search, str(self.search_directory))
        versions = changed_versions(before, search)
        return [f"other versions than at its begin, numbers may differ: {', '.join(versions)}"] if versions else []

    def load_model(self, trial: Any) -> Any:
        """The model of a trial, with the weights of its best execution."""
        return self._trained(trial.trial_id, trial.hyperparameters)

    def _trained(self, trial_id: str, hp: Any) -> keras.Model:
        model = build_model(self._build, hp, self._settings.seed, self._sample)
        model.set_weights(load_weights(self.search_directory, trial_id))
        return model

    def _described(self, data: Mapping[str, Any]) -> SearchRecord:
        space = self._discovery.space
        matching = "off" if space is not None and not space.matching else "on"
        settings = self._settings.plain() | {"oracle": type(self.oracle).__name__, "matching": matching}
        if self._register:
            settings["register"] = self._register
        return describe_search(self._discovery, self._objective, settings, data, workers=self._place.num_workers)

    def _proposals(self, training: TrainingData, before: Mapping[str, TrialRecord]) -> Proposals:
        def build(hp: Any) -> Any:
            return build_model(self._build, hp, execution_seed(self._settings.seed, 1), self._sample)

        how = self._settings.screen
        return Proposals(
            self.oracle,
            self._discovery,
            self.tuner_id,
            build=build,
            screener=None if how == "off" else partial(screened, data=training),
            skip=how == "skip",
            before=before,
        )

    def _result(self, record: SearchRecord, mlflow: dict[str, Any]) -> SearchResult:
        if record.best is None:
            raise SearchFailedError(failure(record))
        return SearchResult(record, self.search_directory, mlflow, self._build, self._sample)
