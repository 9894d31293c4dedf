"""The ledger and MLflow runs of actsearch for any KerasTuner tuner."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras_tuner
from keras_tuner.engine.base_tuner import BaseTuner

from actsearch.errors import UsageError
from actsearch.tracking.store import MLflow
from actsearch.tuning.observation import Observer

if TYPE_CHECKING:
    from keras_tuner import Tuner as _AnyTuner
else:
    _AnyTuner = object

_MARK = "_is_observed_by_actsearch"


class MLflowTracking(_AnyTuner):
    """A mixin that gives a KerasTuner tuner the ledger and the MLflow runs of `ActivationTuner`.

    KerasTuner's training is unchanged: it keeps its oracle, order and repetition. Each execution is measured and
    recorded separately, and seeded where KerasTuner builds the model. A tuner that works without the mixin works
    with it: where something cannot be observed, a warning says what MLflow is missing.

    This works for `keras_tuner.Tuner` and all of its subclasses, with a build function or a `HyperModel`, whatever its
    `fit` returns (`History`, number, dict), compiles or asks of its hyperparameters; for subclasses that override
    `run_trial`, with or without a hypermodel; for `BaseTuner` and `SklearnTuner`; for a list of objectives, whose sum
    is logged as `multi_objective`; and for the workers of a distributed search, each of which is a search of its own
    in MLflow. The trainings of an own `run_trial` are not seeded, and have as many curves as it returns.

    Args:
        tracking: `actsearch.MLflow(...)`; if omitted, MLflow's environment variables, else `mlflow.db` in the working
            directory.

    Raises:
        UsageError: The mixin is not the first base class, so the methods of the tuner would hide its own.

    Example:

    >>> import actsearch, keras_tuner
    >>> class Tuner(actsearch.MLflowTracking, keras_tuner.Hyperband):
    ...     pass
    """

    def __init__(self, *args: Any, tracking: MLflow | None = None, **options: Any) -> None:
        self._observer = Observer(self, (tracking or MLflow()).address)
        self.mlflow: dict[str, Any] = {}
        super().__init__(*args, **options)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        order = cls.__mro__
        if BaseTuner in order and order.index(MLflowTracking) > order.index(BaseTuner):
            raise UsageError(
                f"{cls.__name__} would record nothing: MLflowTracking must stand before the tuner, as in "
                f"class {cls.__name__}(actsearch.MLflowTracking, keras_tuner.Hyperband)."
            )
        run_trial = getattr(cls, "run_trial", keras_tuner.Tuner.run_trial)
        if run_trial is not keras_tuner.Tuner.run_trial and not hasattr(run_trial, _MARK):
            cls.run_trial = _observed(run_trial)

    def search(self, *args: Any, **options: Any) -> Any:
        """Runs KerasTuner's `search` and writes it to MLflow; afterwards, `mlflow` has the ids of the runs."""
        with self._observer.searching(options):
            found = super().search(*args, **options)
        self._observer.raise_late()
        return found

    def _build_hypermodel(self, hp: Any) -> Any:
        return self._observer.build(super()._build_hypermodel, hp)

    def _build_and_fit_model(self, trial: Any, *args: Any, **options: Any) -> Any:
        """Observes one execution; KerasTuner calls this for each, without its number."""
        with self._observer.execution(trial, options) as training:
            training.results = super()._build_and_fit_model(trial, *args, **options)
        return training.results


def _observed(run_trial: Callable[..., Any]) -> Callable[..., Any]:
    """Wraps a user's `run_trial`, which may train in any way."""

    @functools.wraps(run_trial)
    def observed(self: Any, trial: Any, *args: Any, **options: Any) -> Any:
        with self._observer.whole_trial(trial) as whole:
            whole.results = found = run_trial(self, trial, *args, **options)
        return found

    setattr(observed, _MARK, True)
    return observed
