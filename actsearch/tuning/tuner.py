"""The tuner: takes trials from an oracle and executions from an allocation, and records facts in the ledger."""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
import keras_tuner
from keras_tuner.engine.hypermodel import HyperModel

from actsearch._locks import locked
from actsearch._private import use_oracle
from actsearch.analysis.schedule import rules_of
from actsearch.config import SearchConfig
from actsearch.errors import SearchFailedError, UsageError
from actsearch.executors.specs import Auto, ExecutorSpec, choose, make_executor
from actsearch.executors.specs import get as get_executor
from actsearch.records import SearchRecord, execution_seed
from actsearch.tracking.store import MLflow
from actsearch.tracking.sync_process import started_early
from actsearch.training.callbacks import Callbacks
from actsearch.training.data import (
    TrainingData,
    check_fit_options,
    check_fixed_batch,
    first_batch,
    training_data,
)
from actsearch.training.model_cache import BuildFunction, build_model, fixed_batch_size
from actsearch.training.objectives import can_validate, objective_of
from actsearch.tuning import allocation as allocations
from actsearch.tuning.allocation import Allocation
from actsearch.tuning.loop import SearchLoop, StopSignal
from actsearch.tuning.oracles import check_max_trials, make_oracle
from actsearch.tuning.problem import Hypermodel, Problem, inspect_fit, inspect_hypermodel
from actsearch.tuning.progress import Reporter, reporter_for, warn
from actsearch.tuning.result import SearchResult, failure
from actsearch.tuning.splitting import how_to_divide
from actsearch.tuning.state import SearchState, messages_on
from actsearch.tuning.storage import ORACLE_FOLDER, load_weights, prepare_directory, save_models
from actsearch.tuning.trial_source import TrialSource, screened
from actsearch.tuning.tuner_arguments import check_hooks, config_of, executions_of, one_of, tracking_of


class ActivationTuner(keras_tuner.Tuner):
    """Searches the activation function of a Keras model as KerasTuner searches other hyperparameters.

    Executions run seed by seed: every trial on the first seed, then every trial on the second, and so on, so that
    trials are compared in pairs. Every fact goes to a ledger first; a separate process writes MLflow from it.

    Args:
        hypermodel: `build(hp)` that returns a compiled Keras model and calls `actsearch.choose`, or a
            `keras_tuner.HyperModel`.
        objective: Logged metric (`"val_accuracy"`), with a direction if the name does not imply one (`"val_f1:max"`),
            or a `keras_tuner.Objective`. If omitted, the accuracy that the model is compiled with, on validation data,
            else `val_loss`.
        oracle: Proposes trials: `grid`, `random`, `bayesian`, `hyperband`, or a KerasTuner oracle; if omitted, a grid
            for a finite space, else random.
        max_trials: Maximum number of trials.
        executions: Trainings of each trial, each with its own seed; at each rung, in `halving`. If omitted, one for
            each fold of `splits`, else 3.
        allocation: Decides which trial gets the next execution: `fixed`, `halving`, `race`, or an object of
            `actsearch.allocation`, such as `Race(max_executions=50)`.
        alpha: Probability of any wrong claim in the verdict, and of a wrong decision in a race.
        margin: Difference in the objective that does not matter; half a point of accuracy or 1 % of a loss if omitted.
        scope: What the verdict is to hold for: `new data`, or `these data`, for other seeds on the same samples.
        time_budget: Seconds after which no further seed is started; the current one is completed.
        epochs: Epochs of each execution. 30 if given neither here nor to `search`.
        batch_size: Batch size, if the hyperparameters have no `batch_size`. 32 if given neither here nor to `search`.
        splits: How `search` divides arrays that come without `validation_data`: `each` for every execution, `one` for
            all executions alike, or a number of folds such as `5-fold`. If omitted, `search` needs `validation_data`,
            as in KerasTuner.
        seed: Determines splits, weights, dropout and the order of the data: on a CPU, the same seed gives the same
            numbers.
        executor: Where executions run: None for this process, `isolated` for a child process, whose crash fails one
            execution and not the search, `Local(4)` or `Ray(16)` of `actsearch.executors` to run several
            concurrently, or `auto` for local workers if they would end the search clearly earlier.
        tracking: `actsearch.MLflow(...)` with the store, the experiment and which models to log; if omitted, MLflow's
            own environment variables, else `mlflow.db` in the working directory; False for no MLflow.
        screen: Whether each trial is screened before it is trained: `off`, `report` why its training is hopeless, or
            `skip` hopeless trials (never the baseline).
        directory: Directory for ledger, weights and models; a new one in `actsearch-runs` if omitted. Repeating a
            search in its directory resumes it.
        project_name: Folder of this search in `directory`, as in KerasTuner.
        overwrite: Whether to delete a search that is already in the directory.
        verbose: 0 for nothing, 1 for a live view on a terminal and lines elsewhere, 2 for one line per execution; or an
            object with the methods of `Reporter`.
        executions_per_trial: KerasTuner's name for `executions`.

    Raises:
        UsageError: The arguments contradict each other, or one would be ignored; nothing was trained.

    Example:

    >>> import keras, actsearch
    >>> def build(hp):
    ...     activation = actsearch.choose(hp, "relu_variants")
    ...     dense = keras.layers.Dense(8, kernel_initializer=activation.initializer())
    ...     model = keras.Sequential([keras.Input((4,)), dense, activation.layer(), keras.layers.Dense(1)])
    ...     model.compile("adam", "mse")
    ...     return model
    >>> tuner = actsearch.ActivationTuner(build, objective="val_loss", epochs=2, executions=5)
    >>> tuner.oracle.objective.direction
    'min'
    """

    _sample: Any = None
    _has_searched = False

    def __init__(
        self,
        hypermodel: BuildFunction | HyperModel,
        objective: Any = None,
        *,
        oracle: str | keras_tuner.Oracle | None = None,
        max_trials: int | None = None,
        executions: int | None = None,
        allocation: str | Allocation = SearchConfig.allocation,
        alpha: float = SearchConfig.alpha,
        margin: float | None = None,
        scope: str = SearchConfig.scope,
        time_budget: float | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        splits: str | None = None,
        seed: int = SearchConfig.seed,
        executor: str | ExecutorSpec | Auto | None = None,
        tracking: MLflow | bool | None = None,
        screen: str = SearchConfig.screen,
        directory: str | Path | None = None,
        project_name: str | None = None,
        overwrite: bool = False,
        verbose: int | Reporter = 1,
        executions_per_trial: int | None = None,
    ) -> None:
        check_hooks(type(self))
        check_max_trials(oracle, max_trials)
        self._executor = get_executor(executor)  # before the first model: it may have to share a GPU
        self._tracking = tracking_of(tracking)
        self._store = self._tracking.address if tracking is not False else None
        executions = executions_of(one_of(executions, executions_per_trial), splits, allocation)
        self._allocation = allocations.get(allocation, executions=executions)
        self._splits, self._may_change_oracle = splits, oracle is None
        self._asked_for = {"epochs": epochs, "batch_size": batch_size}
        self._config = config_of(
            self._allocation,
            epochs,
            batch_size,
            seed=seed,
            alpha=alpha,
            margin=margin,
            scope=scope,
            time_budget=time_budget,
            max_trials=max_trials,
            screen=screen,
            register=self._tracking.register,
            log_curves=self._tracking.log_curves,
        )
        self._reporter: Reporter = reporter_for(verbose)
        self._hypermodel = inspect_hypermodel(hypermodel)
        self._objective = objective_of(self._hypermodel.model, objective)
        proposer = self._made_oracle(oracle)
        self._config = replace(self._config, oracle=type(proposer).__name__)
        self.search_directory = prepare_directory(
            directory, self._hypermodel.name, project_name=project_name, overwrite=overwrite
        )
        super().__init__(
            oracle=proposer,
            hypermodel=hypermodel,
            directory=str(self.search_directory),
            project_name=ORACLE_FOLDER,
            overwrite=True,
        )
        self.executions_per_trial = self._config.executions or 1

    def _made_oracle(self, oracle: str | keras_tuner.Oracle | None) -> keras_tuner.Oracle:
        made = make_oracle(
            oracle,
            self._objective,
            space=self._hypermodel.hyperparameters,
            max_trials=self._config.max_trials,
            epochs=self._config.epochs,
            seed=self._config.seed,
        )
        made.max_consecutive_failed_trials = float("inf")  # a failed trial is a result, not the end of the search
        made.verbose = 0
        return made

    def _populate_initial_space(self) -> None:
        """Uses the space that `inspect_hypermodel` found, instead of building for each conditional scope again."""
        self.oracle.update_space(self._hypermodel.hyperparameters)
        self.oracle.verbose = 0

    def search(
        self,
        x: Any,
        y: Any = None,
        *,
        epochs: int | None = None,
        batch_size: int | None = None,
        validation_data: Any = None,
        test_data: Any = None,
        callbacks: Callbacks = (),
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
        divide: str | None = None,
        groups: Any = None,
        allow_nan_targets: bool = False,
        verbose: int | Reporter | None = None,
        data_description: Mapping[str, Any] | None = None,
        **fit_options: Any,
    ) -> SearchResult:
        """Runs the search; the call is that of KerasTuner's `search`.

        Args:
            x, y: Training data: arrays, or nested structures of them for several inputs or outputs; without y for a
                model that needs none. Or as `x` a `tf.data.Dataset`, a `keras.utils.PyDataset`, or, with
                `steps_per_epoch`, a generator that does not end or a function that returns one for each execution.
            epochs, batch_size, verbose: As in the tuner; give the first two only once.
            validation_data: `(x, y)` or x, on which the objective is measured and the best epoch chosen.
            test_data: `(x, y)` for the test metrics; nothing is chosen by it.
            callbacks: Keras callbacks, copied for each execution, or a function that returns new ones.
            sample_weight: Weight of each training sample, shape (n,), or arrays nested like `y`.
            class_weight: Weight of each class, by its number.
            divide, groups: How arrays without `validation_data` are divided, as in `actsearch.search`.
            allow_nan_targets: Whether targets may be NaN, for a loss that ignores them.
            data_description: Description of the data for the ledger and MLflow; derived from the arrays if omitted.
            **fit_options: Other arguments of `model.fit`; with any but `shuffle` and the numbers of steps of a
                `tf.data.Dataset`, `model.fit` does the training.

        Returns:
            The result, even if some executions failed.

        Raises:
            UsageError: The arguments contradict each other, or one is unknown; nothing was trained.
            SearchFailedError: None of the executions completed.
        """
        if self._has_searched:
            raise UsageError(
                "This tuner has already run its search. Create another one; in the same directory it resumes it."
            )
        fit = self._hypermodel.fit.fit if self._hypermodel.fit else type(self._hypermodel.model).fit
        check_fit_options(fit_options, fit, ("epochs", "batch_size", "callbacks", "validation_data", "test_data"))
        if verbose is not None:
            self._reporter = reporter_for(verbose)
        given = {"x": x, "y": y, "validation_data": validation_data, "sample_weight": sample_weight}
        how = how_to_divide(given, self._splits, divide, groups, fit_options)
        data = training_data(
            **given,
            test_data=test_data,
            class_weight=class_weight,
            allow_nan_targets=allow_nan_targets,
            fit_options=fit_options,
            may_stay=self._hypermodel.fit is None,
        )
        if how is not None and self._must_validate(x, y):
            data = how.divided(data, self._config.seed, fixed_batch_size(self._hypermodel.model))
        self._configure(epochs, batch_size, data)
        return self.search_data(data, callbacks, data_description=data_description)

    def search_data(
        self, data: TrainingData, callbacks: Callbacks = (), *, data_description: Mapping[str, Any] | None = None
    ) -> SearchResult:
        """Runs the search on data that is already checked; `callbacks` and `data_description` are as for `search`.

        Raises:
            UsageError: The directory has another search, or the data does not fit the objective; nothing was trained.
            SearchFailedError: None of the executions completed.
        """
        self._configure(None, None, data)
        self._check_validated(data.validation is not None or bool(data.fit_options.get("validation_split")))
        self._has_searched = True
        self._inspect_fit(data)
        problem = Problem(self._hypermodel, self._objective, data, data_description or {})
        self._sample = problem.sample
        with started_early(self._store) if self._store else nullcontext(), locked(self.search_directory):
            return self._search(problem, callbacks)

    def _must_validate(self, x: Any, y: Any) -> bool:
        """Returns whether validation data is needed, or at least the model can be validated."""
        if self._objective.name.startswith("val_"):
            return True
        return y is not None and can_validate(self._hypermodel.model, partial(first_batch, x, y))

    def _inspect_fit(self, data: TrainingData) -> None:
        """Adds the hyperparameters of a user's `HyperModel.fit`, which only the data can show, to the space."""
        known = len(self._hypermodel.hyperparameters.space)
        self._hypermodel = inspect_fit(self._hypermodel, data, self._config, self._asked_for)
        space = self._hypermodel.hyperparameters
        if len(space.space) == known:
            return
        self.oracle.update_space(space)
        made = self._made_oracle(None) if self._may_change_oracle else self.oracle
        if type(made) is not type(self.oracle):  # the space was finite before
            use_oracle(self, made)
            self._config = replace(self._config, oracle=type(made).__name__)

    def _search(self, problem: Problem, callbacks: Callbacks) -> SearchResult:
        message, warning = self._reporter.message, partial(warn, self._reporter)
        make = problem.executions(self._config, callbacks)
        where, why = choose(self._executor, make, partial(problem.workload, self._config, self.oracle))
        record = problem.record(self._config, num_workers=where.num_workers if where else 0)
        state = SearchState(self.search_directory, record, store=self._store, message=warning)
        summary = getattr(problem.hypermodel.build, "summary", None)
        extension, messages = state.extension(self._config, self._allocation.only), why
        if state.earlier is not None:
            messages += messages_on(state.earlier, record, extension, self.search_directory)
        messages += [*([summary] if summary else []), *record.remarks, *(f"advice: {each}" for each in problem.advice)]
        stop = StopSignal(message)
        executions = make_executor(where, make, warning)
        with executions as executor, state.open(), stop.watching():
            state.extend(extension)
            self._reporter.begin(record, str(self.search_directory))
            for text in messages:
                message(text)
            allocation = self._allocation.start(self._objective, **rules_of(state.read()))
            trials = self._trial_source(problem, state)
            loop = SearchLoop(self._config, allocation, trials, executor, state, self._reporter, stop)
            try:
                loop.run()
            finally:
                self._reporter.end()
            save_models(
                state.read(),
                self.search_directory,
                self._tracking.log_models,
                load=self._trained,
                sample=self._sample,
                message=warning,
            )
        return self._result(state.read(), state.mlflow)

    def _configure(self, epochs: int | None, batch_size: int | None, data: TrainingData) -> None:
        """Takes the numbers that KerasTuner accepts in `search` and actsearch also in the tuner."""
        fixed = fixed_batch_size(self._hypermodel.model)
        for name, given in {"epochs": epochs, "batch_size": batch_size}.items():
            earlier = self._asked_for[name]
            if given is None:
                continue
            if earlier is not None and earlier != given:
                raise UsageError(f"search({name}={given}) contradicts ActivationTuner({name}={earlier}). Give it once.")
            self._asked_for[name] = given
        self._config = replace(
            self._config,
            epochs=self._asked_for["epochs"] or self._config.epochs,
            batch_size=self._asked_for["batch_size"] or fixed or self._config.batch_size,
            splits=None if data.division is None else data.division.splits.kind,
        )
        if fixed is not None:
            check_fixed_batch(data, fixed, self._config.batch_size)
        if not data.are_arrays and self._asked_for["batch_size"] is not None:
            raise UsageError("batch_size would be ignored: a data set is already batched. Omit it.")
        planned = getattr(self.oracle, "max_epochs", self._config.epochs)
        if planned != self._config.epochs:
            raise UsageError(
                f"search(epochs={self._config.epochs}) is too late for hyperband, which planned its brackets for "
                f"{planned} epochs. Give epochs to ActivationTuner."
            )

    def _check_validated(self, is_validated: bool) -> None:
        if self._objective.name.startswith("val_") and not is_validated:
            raise UsageError(
                f"The objective {self._objective.name} is measured on validation data, but none was given. "
                'Pass validation_data: (x, y), or a data set; or let the tuner divide arrays, with splits="each".'
            )

    @property
    def inspected(self) -> Hypermodel:
        """The hypermodel, its hyperparameters and the model that it builds from the defaults."""
        return self._hypermodel

    def load_model(self, trial: Any) -> Any:
        """Returns the model of a trial with the weights of its best execution."""
        return self._trained(trial.trial_id, trial.hyperparameters)

    def _trained(self, trial_id: str, hp: keras_tuner.HyperParameters) -> keras.Model:
        model = build_model(self._hypermodel.build, hp, self._config.seed, self._sample)
        model.set_weights(load_weights(self.search_directory, trial_id))
        return model

    def _trial_source(self, problem: Problem, state: SearchState) -> TrialSource:
        how = self._config.screen
        return TrialSource(
            self.oracle,
            self._hypermodel,
            self.tuner_id,
            build=partial(problem.build, seed=execution_seed(self._config.seed, 1)),
            screener=None if how == "off" else partial(screened, data=problem.data),
            skip=how == "skip",
            before=state.earlier_trials,
        )

    def _result(self, record: SearchRecord, mlflow: dict[str, Any]) -> SearchResult:
        if record.best is None:
            raise SearchFailedError(failure(record))
        return SearchResult(record, self.search_directory, mlflow, self._hypermodel.build, self._sample)
