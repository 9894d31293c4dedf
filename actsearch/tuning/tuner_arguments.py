"""Arguments of `ActivationTuner`: their defaults, and what is refused."""

from typing import Any

import keras_tuner

from actsearch.config import SearchConfig
from actsearch.data.splits import num_folds
from actsearch.errors import UsageError
from actsearch.tracking.store import MLflow
from actsearch.tuning.allocation import Allocation

_NEVER_CALLED = (
    *("run_trial", "save_model", "on_search_begin", "on_search_end", "on_trial_begin", "on_trial_end"),
    *("on_epoch_begin", "on_epoch_end", "on_batch_begin", "on_batch_end"),
)


def check_hooks(kind: type[keras_tuner.Tuner]) -> None:
    """Rejects a subclass that overrides a method that KerasTuner's tuners call and `ActivationTuner` does not.

    Raises:
        UsageError: It does.
    """
    for name in _NEVER_CALLED:
        if getattr(kind, name, None) is not getattr(keras_tuner.Tuner, name, None):
            raise UsageError(
                f"{kind.__name__}.{name} would never be called: ActivationTuner trains seed by seed. Use "
                f"callbacks=[...] or a HyperModel with its own fit; or a KerasTuner tuner with the mixin "
                "actsearch.MLflowTracking, which calls it."
            )


def config_of(allocation: Allocation, epochs: int | None, batch_size: int | None, **numbers: Any) -> SearchConfig:
    """Returns the config of a search; numbers that the allocation does not have are None."""
    own: dict[str, Any] = dict.fromkeys(("executions", "max_executions", "factor", "rungs")) | dict(allocation.numbers)
    return SearchConfig(
        allocation=type(allocation).__name__.lower(),
        epochs=SearchConfig.epochs if epochs is None else epochs,
        batch_size=SearchConfig.batch_size if batch_size is None else batch_size,
        **own,
        **numbers,
    )


def executions_of(executions: int | None, splits: str | None, allocation: Any) -> int | None:
    """Returns the number of executions: if it is not given, one for each fold; None for the allocation's default.

    Example:

    >>> executions_of(None, "5-fold", "fixed"), executions_of(None, "each", "fixed")
    (5, None)
    """
    by_fold = executions is None and splits is not None and allocation == "fixed"
    return num_folds(splits or "") if by_fold else executions


def tracking_of(tracking: MLflow | bool | None) -> MLflow:
    """Returns the store and what is logged; the default for None and False.

    Raises:
        UsageError: It is something else.
    """
    if tracking is None or tracking is False:
        return MLflow()
    if not isinstance(tracking, MLflow):
        raise UsageError(f"tracking must be None, False or actsearch.MLflow(uri=...), not {tracking!r}.")
    return tracking


def one_of(executions: int | None, executions_per_trial: int | None) -> int | None:
    """Returns the number of executions, which has KerasTuner's name as well.

    Raises:
        UsageError: Both names were given, with different numbers.

    Example:

    >>> one_of(None, 5)
    5
    """
    if None not in (executions, executions_per_trial) and executions != executions_per_trial:
        raise UsageError(
            f"executions={executions} and executions_per_trial={executions_per_trial} mean the same. Give one of them."
        )
    return executions if executions is not None else executions_per_trial
