"""Trains a trial once more on all data: the model to use, of which no score is known."""

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import keras_tuner

from actsearch.analysis.units import trial_label
from actsearch.errors import ExecutionFailedError, SearchFailedError, UsageError
from actsearch.records import SearchRecord, TrialRecord, execution_seed
from actsearch.training.data import TrainingData, check_fit_options, check_fixed_batch, training_data
from actsearch.training.execution import fit_options
from actsearch.training.model_cache import BuildFunction, build_model, fixed_batch_size, some_rows
from actsearch.training.own_fit import has_own_fit

REFIT = 0  # the number by which its seed is made; executions are numbered from 1


@dataclass(frozen=True)
class Refit:
    """How a trial is trained on all data.

    Args:
        trial: The trial.
        label: Its activation, with the values that distinguish it.
        epochs: Number of epochs: the median of the best epochs of its executions.
        num_executions: Number of these executions.
        seed: Seed of weights, dropout and order; no execution has it.
        batch_size: Number of samples in a batch.
    """

    trial: TrialRecord
    label: str
    epochs: int
    num_executions: int
    seed: int
    batch_size: int

    def __str__(self) -> str:
        epochs = f"{self.epochs} epoch{'s' if self.epochs != 1 else ''}"
        of = f"{self.num_executions} execution{'s' if self.num_executions != 1 else ''}"
        return (
            f"Training {self.label} (trial {self.trial.trial_id}) on all data for {epochs}, the median best epoch of "
            f"{of}. No score of this model is known, because no sample is held out."
        )


def plan_refit(search: SearchRecord, trial: TrialRecord) -> Refit:
    """Plans the training of a trial on all data.

    Only executions with the full number of epochs count, since the best epoch of the first rungs of halving is limited
    by their budget.

    Args:
        search: Record of the search.
        trial: The trial.

    Returns:
        The plan.

    Raises:
        SearchFailedError: No execution of the trial completed.

    Example:

    >>> from actsearch.records import ExecutionRecord, Objective, Status
    >>> def execution(number, best):
    ...     return ExecutionRecord("0", number, 7, 20, Status.COMPLETED, 0.0, 1.0, score=0.9, best_epoch=best)
    >>> trial = TrialRecord("0", {}, "elu", executions=tuple(execution(n, b) for n, b in enumerate((9, 12, 20), 1)))
    >>> search = SearchRecord("s", "s", Objective("val_loss", "min"), None, 0.0, trials=(trial,))
    >>> print(plan_refit(search, trial))
    Training elu (trial 0) on all data for 12 epochs, the median best epoch of 3 executions. No score of this model is
    known, because no sample is held out.
    """
    known = [e for e in trial.completed if e.best_epoch is not None]
    if not known:
        raise SearchFailedError(
            f"No execution of trial {trial.trial_id} ({trial.activation}) completed, so it is not known for how many "
            "epochs to train it. Pass another trial_id."
        )
    full = max(e.epochs for e in known)
    best = [e.best_epoch or 1 for e in known if e.epochs == full]
    return Refit(
        trial,
        trial_label(search, trial),
        epochs=round(statistics.median(best)),
        num_executions=len(best),
        seed=execution_seed(search.config.seed, REFIT),
        batch_size=int(trial.hyperparameters.get("batch_size", search.config.batch_size)),
    )


def refit_data(
    x: Any, y: Any, sample_weight: Any, class_weight: Mapping[int, float] | None, options: Mapping[str, Any]
) -> TrainingData:
    """Checks the data and options of a refit.

    Args:
        x, y, sample_weight, class_weight: As for `search`.
        options: Other arguments of `model.fit`.

    Returns:
        The data.

    Raises:
        UsageError: An argument is unknown, or would hold data back or be ignored.
    """
    check_fit_options({n: v for n, v in options.items() if n != "allow_nan_targets"}, keras.Model.fit, ("trial_id",))
    for name, why in _REFUSED.items():
        if options.get(name) is not None:
            raise UsageError(f"refit does not take {name}: {why}. Omit it.")
    others = {name: value for name, value in options.items() if name != "allow_nan_targets"}
    return training_data(
        x,
        y,
        sample_weight=sample_weight,
        class_weight=class_weight,
        allow_nan_targets=bool(options.get("allow_nan_targets")),
        fit_options=others,
    )


_REFUSED = {
    "validation_data": "it trains on all data",
    "validation_split": "it trains on all data",
    "epochs": "the search found the number of epochs",
    "batch_size": "it is that of the search",
    "initial_epoch": "the search found the number of epochs",
}


def train_on_all(plan: Refit, build: BuildFunction, data: TrainingData) -> keras.Model:
    """Builds a model from the seed of the plan and trains it.

    Args:
        plan: What to train.
        build: The build function of the search.
        data: All data.

    Returns:
        The compiled model with its trained weights.

    Raises:
        UsageError: The search trained by a user's `HyperModel.fit`, or the model takes batches of another size.
        ExecutionFailedError: The loss is not finite in the end.
    """
    if has_own_fit(build):
        raise UsageError(
            "This search trains by the fit of your HyperModel, which may need validation data, so refit does not call "
            f"it. Call it yourself, for {plan.epochs} epochs."
        )
    hp = keras_tuner.HyperParameters()
    hp.values = dict(plan.trial.hyperparameters)
    model = build_model(build, hp, plan.seed, some_rows(data.x))
    if (fixed := fixed_batch_size(model)) is not None:
        check_fixed_batch(data, fixed, plan.batch_size)
    options = fit_options(data, epochs=plan.epochs, batch_size=plan.batch_size, callbacks=[], for_own_fit=False)
    keras.utils.set_random_seed(plan.seed)
    history = model.fit(data.for_fit(plan.seed), **options).history
    if bad := [name for name, values in history.items() if values and not math.isfinite(values[-1])]:
        raise ExecutionFailedError(f"{plan.label}, trained on all data: {bad[0]} is {history[bad[0]][-1]} in the end")
    return model
