"""`actsearch.search`: a whole search in one call."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import keras
import keras_tuner
from keras_tuner.engine.hypermodel import HyperModel

from actsearch.config import SearchConfig
from actsearch.data.splits import EACH
from actsearch.errors import UsageError
from actsearch.executors.specs import Auto, ExecutorSpec
from actsearch.spaces import SpaceLike, load_space
from actsearch.swap.graph import is_graph
from actsearch.swap.searched_model import SearchedModel
from actsearch.tracking.store import MLflow
from actsearch.training.callbacks import Callbacks
from actsearch.training.data import batches_of, check_fit_options, first_batch
from actsearch.training.model_cache import BuildFunction
from actsearch.training.objectives import default_objective
from actsearch.tuning.allocation import Allocation
from actsearch.tuning.progress import Reporter
from actsearch.tuning.result import SearchResult
from actsearch.tuning.splitting import how_to_divide
from actsearch.tuning.tuner import ActivationTuner

DEFAULT_SPACE = "relu_variants"


def search(
    model: keras.Model | Callable[[], keras.Model] | BuildFunction | HyperModel,
    x: Any,
    y: Any = None,
    *,
    space: SpaceLike | None = None,
    weights: str | None = None,
    include_frozen: bool = False,
    include_recurrent: bool = False,
    validation_data: Any = None,
    test_data: Any = None,
    epochs: int | None = None,
    executions: int | None = None,
    batch_size: int | None = None,
    callbacks: Callbacks = (),
    sample_weight: Any = None,
    class_weight: Mapping[int, float] | None = None,
    splits: str | None = None,
    divide: str | None = None,
    groups: Any = None,
    allow_nan_targets: bool = False,
    objective: Any = None,
    oracle: str | keras_tuner.Oracle | None = None,
    max_trials: int | None = None,
    allocation: str | Allocation = SearchConfig.allocation,
    alpha: float = SearchConfig.alpha,
    margin: float | None = None,
    scope: str = SearchConfig.scope,
    time_budget: float | None = None,
    seed: int = SearchConfig.seed,
    executor: str | ExecutorSpec | Auto | None = None,
    tracking: MLflow | bool | None = None,
    screen: str = SearchConfig.screen,
    directory: str | Path | None = None,
    overwrite: bool = False,
    verbose: int | Reporter = 1,
    **fit_options: Any,
) -> SearchResult:
    """Searches the activation function of a Keras model.

    Args:
        model: Compiled model, which is not changed; or a function without arguments that returns one, and is called
            for each execution of a subclassed model; or a build function `build(hp)` that calls `actsearch.choose`, or
            a `keras_tuner.HyperModel`.
        x, y: Arrays of n samples, or nested structures of them; without y for a model that needs none. Without
            `validation_data`, a fifth of the samples is held out for validation and, without `test_data`, a fifth for
            the test. Or as `x` a
            `tf.data.Dataset`, a `keras.utils.PyDataset`, or, with `steps_per_epoch`, a generator that does not end or a
            function that returns one for each execution.
        space: Search space of a model: a name, a list of activations such as `["relu", "gelu"]`, a path, a mapping or a
            `SearchSpace`; `relu_variants` if omitted. A build function names its own.
        weights: For an existing model: `keep` to start each execution from its weights, as in fine-tuning, or `redraw`
            to draw new ones. If omitted, new ones; but pretrained ones are kept if the model was not trained since it
            was compiled. Where the model is not new, the search says what it does.
        include_frozen, include_recurrent: Whether to replace the activations of frozen layers, and the `activation` of
            recurrent layers, of an existing model as well.
        validation_data, test_data: `(x, y)` or x, if the data is already divided.
        epochs: Epochs of each execution. 30 if omitted.
        executions: Trainings of each trial, each with its own seed; at each rung, in `halving`. If omitted, one for
            each fold of `splits`, else 3.
        batch_size: Batch size. 32 if omitted.
        callbacks: Keras callbacks, copied for each execution, or a function that returns new ones.
        sample_weight: Weight of each sample, shape (n,), or arrays nested like `y`; divided with the data, unless
            `validation_data` is given.
        class_weight: Weight of each class, by its number.
        splits: How often arrays without `validation_data` are divided: `each` for every execution, so that the
            verdict holds for new data; `one` for all executions alike; or a number of folds such as `5-fold`, where
            each sample is in the test part of one of five executions. All trials of an execution share its split.
            `each` if omitted.
        divide: How arrays are divided: `random`, stratified by class, or `in_order`, as the past and the future of a
            series, which ends at another time in each execution. If omitted, `in_order` with `shuffle=False`, else
            `random`.
        groups: The group of each sample, shape (n,), such as a patient or a document: no group is in two parts.
        allow_nan_targets: Whether targets may be NaN, for a loss that ignores them.
        objective: Logged metric, with a direction if the name does not imply one (`"val_f1:max"`). If omitted, the
            accuracy that the model is compiled with, on validation data; `val_loss` for other models and for several
            outputs; what a `train_step` or `test_step` of the model's own logs.
        oracle: Proposes trials: `grid`, `random`, `bayesian`, `hyperband`, or a KerasTuner oracle; if omitted, a grid
            for a finite space, else random.
        max_trials: Maximum number of trials.
        allocation: Decides which trial gets the next execution: `fixed`, `halving`, `race`, or an object of
            `actsearch.allocation`, such as `Race(max_executions=50)`.
        alpha: Probability of any wrong claim in the verdict, and of a wrong decision in a race.
        margin: Difference in the objective that does not matter; half a point of accuracy or 1 % of a loss if omitted.
        scope: What the verdict is to hold for: `new data`, or `these data`, for other seeds on the same samples.
        time_budget: Seconds after which no further seed is started; the current one is completed.
        seed: Determines the splits of the data, weights, dropout and the order of the data.
        executor: Where executions run: None for this process, `isolated` for a child process, `Local(4)` or `Ray(16)`
            of `actsearch.executors` to run several concurrently, or `auto` for local workers if they would end the
            search clearly earlier.
        tracking: `actsearch.MLflow(...)`; if omitted, MLflow's own environment variables, else `mlflow.db` in the
            working directory; False for no MLflow.
        screen: Whether each trial is screened before it is trained: `off`, `report` or `skip`.
        directory: Directory for ledger, weights and models; a new one in `actsearch-runs` if omitted. Repeating a
            search in its directory resumes it; with more executions, or as a race, it is extended.
        overwrite: Whether to delete a search that is already in the directory.
        verbose: 0 for nothing, 1 for a live view on a terminal and lines elsewhere, 2 for one line per execution; or an
            object with the methods of `Reporter`.
        **fit_options: Other arguments of `model.fit`; with any but `shuffle` and the numbers of steps of a
            `tf.data.Dataset`, `model.fit` does the training.

    Returns:
        The result: trials, verdict, best model, and where everything is written.

    Raises:
        UsageError: The arguments contradict each other, or one is unknown; nothing was trained.
        SearchFailedError: None of the executions completed.

    Example:

    >>> import keras, numpy as np, actsearch
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(4, "relu"), keras.layers.Dense(1)])
    >>> model.compile("adam", "mse")
    >>> x = np.random.default_rng(0).normal(size=(40, 2)); y = x.sum(axis=1, keepdims=True)
    >>> short = {"epochs": 1, "executions": 1, "tracking": False, "verbose": 0}
    >>> result = actsearch.search(model, x, y, space=["relu", "gelu"], **short)
    >>> sorted(trial.activation for trial in result.trials)
    ['gelu', 'relu']
    """
    _check_options(fit_options, model)
    x = batches_of(x, "x", fit_options)
    given = {"x": x, "y": y, "validation_data": validation_data, "sample_weight": sample_weight}
    how = how_to_divide(given, splits, divide, groups, fit_options, default=EACH)
    included = {"include_frozen": include_frozen, "include_recurrent": include_recurrent}
    hypermodel = hypermodel_for(model, space, {"weights": weights, **included}, partial(first_batch, x, y))
    tuner = ActivationTuner(
        hypermodel,
        partial(default_objective, batch=partial(first_batch, x, y)) if objective is None else objective,
        oracle=oracle,
        max_trials=max_trials,
        executions=executions,
        allocation=allocation,
        alpha=alpha,
        margin=margin,
        scope=scope,
        time_budget=time_budget,
        epochs=epochs,
        batch_size=batch_size,
        splits=None if how is None else how.splits,
        seed=seed,
        executor=executor,
        tracking=tracking,
        screen=screen,
        directory=directory,
        overwrite=overwrite,
        verbose=verbose,
    )
    return tuner.search(
        **given,
        test_data=test_data,
        callbacks=callbacks,
        class_weight=class_weight,
        allow_nan_targets=allow_nan_targets,
        divide=divide,
        groups=groups,
        **fit_options,
    )


def hypermodel_for(model: Any, space: SpaceLike | None, options: Mapping[str, Any], batch: Callable[[], Any]) -> Any:
    """Returns what builds the models: the user's build function, or one for an existing model.

    Args:
        model: As for `search`.
        space: The search space of an existing model.
        options: Arguments of `SearchedModel`, empty where they are not passed.
        batch: Returns a batch of training data.
    """
    if isinstance(model, type):
        raise UsageError(f"{model.__name__} is a class. Pass a compiled model, or a function that returns one.")
    if isinstance(model, keras.Model) or _makes_model(model):
        known = isinstance(model, keras.Model) and is_graph(model)
        sample = None if known else keras.utils.unpack_x_y_sample_weight(batch())[0]
        return SearchedModel(model, load_space(DEFAULT_SPACE if space is None else space), sample=sample, **options)
    for name, value in options.items():
        if value:
            raise UsageError(f"{name} would be ignored: a build function decides itself what its model has. Omit it.")
    if space is not None:
        raise UsageError("A build function names its search space itself, in choose(hp, space). Omit space.")
    return model


def _makes_model(function: Any) -> bool:
    """Returns whether a function needs no argument: a build function needs one, for the hyperparameters."""
    if isinstance(function, HyperModel) or not callable(function):
        return False
    return all(each.default is not each.empty for each in inspect.signature(function).parameters.values())


def _check_options(options: Mapping[str, Any], model: Any) -> None:
    """Rejects options that neither this function nor `fit` takes, before a directory is created."""
    if isinstance(model, HyperModel) and type(model).fit is not HyperModel.fit:
        return  # the user's fit may take any option
    fit = type(model).fit if isinstance(model, keras.Model) else keras.Model.fit
    check_fit_options(options, fit, inspect.signature(search).parameters)
