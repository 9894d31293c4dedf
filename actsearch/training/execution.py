"""One execution: trains a trial from scratch with one seed, measures it, and records the outcome even if it fails."""

import math
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import keras_tuner
import numpy as np
import tensorflow as tf

from actsearch._private import take_initial_epoch, tensorflow_message
from actsearch.errors import DataError, ExecutionFailedError, ObjectiveShapeError, UnknownObjectiveError
from actsearch.layers.base import Learned, learned_parameters
from actsearch.records import (
    CostMeasurement,
    ExecutionRecord,
    ExecutionRequest,
    Objective,
    Resources,
    SampleScores,
    Status,
)
from actsearch.training.array_loop import order_of
from actsearch.training.batches import Batches, raw
from actsearch.training.callbacks import Callbacks, HealthMonitor, Recorder, check_objective, fresh, need_fit
from actsearch.training.costs.cost_rounds import budget_after, measure_in_turns
from actsearch.training.costs.graph_costs import counting_saved_tensors
from actsearch.training.data import TrainingData, has_known_order, packed
from actsearch.training.epochs import Tensors, single_numbers, to_tensors
from actsearch.training.model_cache import (
    BuildFunction,
    BuiltModel,
    Forward,
    ModelCache,
    forward_of,
    release_when_unreachable,
)
from actsearch.training.model_state import state_variables
from actsearch.training.own_fit import FitRecorder
from actsearch.training.resources import Meter, Stopwatch, Usage, undisturbed_seconds
from actsearch.training.sample_scores import scores_of_parts
from actsearch.training.watchdog import Watchdog

FitFunction = Callable[..., Any]


@dataclass(frozen=True)
class Trained:
    """The result of an execution: its record and, if it completed, the weights of its best epoch and sample scores.

    The scores are those of the objective on the `validation` and `test` data, as far as they are known.
    """

    record: ExecutionRecord
    weights: list[np.ndarray] | None = None
    samples: Mapping[str, SampleScores] = field(default_factory=dict)


class Executions:
    """Runs executions of one search in this process.

    Args:
        build: From hyperparameters to a compiled model.
        data: Training, validation and test data.
        objective: The metric that determines the best epoch.
        callbacks: Keras callbacks, copied for each execution.
        batch_size: Number of samples in a batch, unless the hyperparameters include `batch_size`.
        fit: The user's own `HyperModel.fit`, which is called instead of `model.fit`.
        health: Whether the first execution of each trial is diagnosed, at its first and last epoch.
        compiled: Whether epochs may run as one TensorFlow function; otherwise `model.fit` trains.
        seed: Seed of TensorFlow's own generator, set once for each search.
        own_process: Whether this process does nothing else, so that its peak of memory says something.
    """

    def __init__(
        self,
        build: BuildFunction,
        data: TrainingData,
        objective: Objective,
        *,
        callbacks: Callbacks = (),
        batch_size: int = 32,
        fit: FitFunction | None = None,
        health: bool = True,
        compiled: bool = True,
        seed: int = 0,
        own_process: bool = False,
    ) -> None:
        keras.utils.set_random_seed(seed)
        self._began, self._own_process = time.perf_counter(), own_process
        self._data, self._objective, self._callbacks = data, objective, callbacks
        self._batch_size, self._fit, self._health = batch_size, fit, health
        self._models = ModelCache(build)
        self._all_data, self._may_compile = data, compiled and fit is None
        self._split: int | None = None
        self._tensors: Tensors | None = None
        self._kept: dict[str, tuple[str, int] | None] = {}  # by trial, where its traced model may be found

    def run(self, request: ExecutionRequest) -> Trained:
        """Runs one execution; an error in it is recorded as FAILED with the reason.

        Raises:
            UsageError: A callback cannot be copied, the objective is not logged or no number, or a generator ended, so
                that no execution can succeed.
        """
        with Watchdog(f"Execution {request.execution} of trial {request.trial_id}") as watchdog:
            return self._run(request, watchdog)

    def _use_split(self, execution: int) -> None:
        """Divides the data for an execution, unless the last one had the same split, as all trials have on one seed."""
        split = self._all_data.split_of(execution)
        if split != self._split:
            self._data = self._all_data.at(execution)
            self._tensors = self._data.tensors() if self._may_compile else None
            if self._tensors is not None:
                self._models.use(self._tensors)
            self._split = split

    def _run(self, request: ExecutionRequest, watchdog: Watchdog) -> Trained:
        started_at = time.time()
        recorder = Recorder(self._objective) if self._fit is None else FitRecorder(self._objective)
        try:
            self._use_split(request.execution)
        except DataError as error:
            return Trained(self._failed(request, started_at, recorder, None, error))
        trainer = None
        hp = keras_tuner.HyperParameters()
        hp.values = dict(request.hyperparameters)
        monitor = HealthMonitor(*self._data.probe())
        own = fresh(self._callbacks, f"trial-{request.trial_id}-execution-{request.execution}")
        callbacks = [*own, recorder]  # after the others, so that it sees their additions to the logs
        try:
            batch_size = int(hp.values.get("batch_size", self._batch_size))
            compiled = self._tensors is not None and not need_fit(own)
            callbacks.append(watchdog)
            if self._health and request.execution == 1:
                callbacks.append(monitor)  # after the recorder, so that epochs do not include its time
            trainer = "compiled" if compiled else "fit"
            run = self._run_compiled if compiled else self._run_fit
            built, usage = run(request, hp, callbacks, batch_size)
            self._check_lasted(recorder)
            usage = replace(usage, cpu_seconds=max(usage.cpu_seconds - monitor.cpu_seconds, 0.0))
            forward = built.forward or forward_of(built.model, self._data.x, batch_size)
            measured = self._measure(built, forward, recorder, usage)
            samples = self._samples(built.model, forward, recorder, measured[1])
            self._kept[request.trial_id] = built.key
        except (UnknownObjectiveError, ObjectiveShapeError):
            raise
        except Exception as error:  # noqa: BLE001  any error of a user's model ends only this execution
            self._check_lasted(recorder)
            failed = self._failed(request, started_at, recorder, trainer, error)
            return Trained(replace(failed, health=monitor.plain()))
        record = self._completed(request, started_at, recorder, trainer, measured, monitor)
        return Trained(record, recorder.best_weights, samples)

    def _run_compiled(self, request: ExecutionRequest, hp: Any, callbacks: list[Any], batch_size: int) -> Any:
        assert self._tensors is not None
        built = self._models.prepare(hp, request.seed, self._tensors, batch_size)
        epochs = built.epochs
        assert epochs is not None
        if all(isinstance(call, Recorder | HealthMonitor | Watchdog) for call in callbacks):  # others may add logs
            check_objective(self._objective, epochs.outputs)
        calls = keras.callbacks.CallbackList(
            callbacks, add_history=True, model=built.model, epochs=request.epochs, steps=epochs.num_batches, verbose=0
        )
        built.model.stop_training = False
        meter, logs = Meter(), {}
        with epochs.execution(request.seed):
            calls.on_train_begin()
            for epoch in range(take_initial_epoch(built.model), request.epochs):
                calls.on_epoch_begin(epoch)
                logs = epochs.train(self._order(request, epoch, epochs.num_samples), calls)
                calls.on_epoch_end(epoch, logs)
                if built.model.stop_training:
                    break
        if isinstance(built.model.optimizer, keras.optimizers.Optimizer):
            built.model.optimizer.finalize_variable_values(built.model.trainable_weights)  # means of weights
        calls.on_train_end(logs)
        return built, meter.read()

    def _order(self, request: ExecutionRequest, epoch: int, num_samples: int | None) -> np.ndarray | None:
        if num_samples is None:
            return None
        return order_of(request.seed, epoch, num_samples) if self._data.shuffle else np.arange(num_samples)

    def _run_fit(self, request: ExecutionRequest, hp: Any, callbacks: list[Any], batch_size: int) -> Any:
        built = self._models.prepare_for_fit(hp, request.seed, self._data.x)
        own = self._fit is not None
        data = self._data.streamed(batch_size, request.seed)
        options = fit_options(data, epochs=request.epochs, batch_size=batch_size, callbacks=callbacks, for_own_fit=own)
        keras.utils.set_random_seed(request.seed)
        x = self._data.for_fit(request.seed) if data is self._data else data.x
        meter = Meter()
        try:
            with counting_saved_tensors(built.model) as saved:
                if self._fit is not None:
                    self._fit_as_told(hp, built.model, x, options)
                else:
                    built.model.fit(x, **options)
        finally:
            release_when_unreachable(state_variables(built.model))
        return replace(built, saved=saved[0] if saved else None), meter.read()

    def _fit_as_told(self, hp: Any, model: keras.Model, x: Any, options: dict[str, Any]) -> None:
        """Trains by the user's `HyperModel.fit`, whose result is the score if it is not a `History`."""
        assert self._fit is not None
        (recorder,) = [each for each in options["callbacks"] if isinstance(each, FitRecorder)]
        recorder.on_epoch_begin(0)  # not every loop calls it
        recorder.take(self._fit(hp, model, x, **options), model)

    def _measure(
        self, built: BuiltModel, forward: Forward | None, recorder: Recorder, usage: Usage
    ) -> tuple[Resources, dict[str, float], Learned]:
        """Returns the resources and, for the weights of the best epoch, test metrics and learned parameters."""
        if not recorder.epoch_seconds:
            raise ExecutionFailedError("no epoch was trained")
        model = built.model
        model.set_weights(recorder.best_weights)
        known = built.epochs.num_in_batch if built.epochs is not None else None
        resources = Resources(
            build_seconds=built.build_seconds,
            trace_seconds=built.trace_seconds,
            train_seconds=undisturbed_seconds(recorder.epoch_seconds),
            best_epoch_seconds=undisturbed_seconds(recorder.epoch_seconds, recorder.best_epoch),
            cpu_seconds=usage.cpu_seconds,
            peak_rss_bytes=usage.peak_rss_bytes if self._own_process else None,
            num_parameters=sum(math.prod(weight.shape) for weight in model.weights),
            inference_microseconds=None if forward is None else _inference(forward),
            peak_gpu_bytes=usage.peak_gpu_bytes,
            gpu_joules=usage.gpu_joules,
            train_wall_seconds=sum(recorder.epoch_seconds),
            training_memory_bytes=built.training_bytes(known or (forward.num_samples if forward else None)),
            flops_per_sample=forward.flops_per_sample if forward else None,
        )
        return resources, self._test(built), learned_parameters(model)

    def _test(self, built: BuiltModel) -> dict[str, float]:
        if built.epochs is not None:
            return single_numbers(built.epochs.test())
        test = self._data.streamed(self._batch_size, 0).test
        if test is None:
            return {}
        if not built.model.compiled:
            raise ExecutionFailedError(
                "the model is never compiled, so it cannot be evaluated on the test data. Compile it in fit, or omit "
                "the test data"
            )
        parts = test if isinstance(test, tuple) else (test,)  # a data set, or x without y
        x, y, weight = keras.utils.unpack_x_y_sample_weight(parts)
        logs = built.model.evaluate(x, y, sample_weight=weight, verbose=0, return_dict=True)
        return single_numbers(logs)

    def _samples(
        self, model: keras.Model, forward: Forward | None, recorder: Recorder, test: Mapping[str, float]
    ) -> dict[str, SampleScores]:
        """Returns the sample scores of the objective, with the weights of the best epoch."""
        name = self._objective.name.removeprefix("val_")
        parts: dict[str, tuple[Any, float | None]] = {"test": (self._data.test, test.get(name))}
        if name != self._objective.name:
            parts["validation"] = (self._data.validation, recorder.score)
        known = {part: (self._tensors_of(part, data), score) for part, (data, score) in parts.items()}
        return scores_of_parts(model, forward, name, known, self._data.ids)

    def _tensors_of(self, part: str, data: Any) -> Any:
        """Returns the samples of a part in their order; None if it has none that stays the same."""
        if data is None:
            return None
        if self._tensors is not None:
            return self._tensors.samples(part)
        return to_tensors(packed(data)) if has_known_order(data) else None

    def measure_costs(self) -> CostMeasurement | None:
        """Measures the times of all trials in turns, once their executions have ended; None for fewer than two.

        Trials are missing if `model.fit` trains them, if their models have code of their own, or if their traces were
        dropped for lack of memory: tracing them again would take too long.
        """
        if len(self._kept) < 2:
            return None
        found = {trial: self._models.kept(key) for trial, key in self._kept.items() if key is not None}
        models = {trial: built for trial, built in found.items() if built is not None}
        reasons = [
            "model.fit trains them" if self._tensors is None else "their models are traced anew for each execution"
        ] * (len(found) < len(self._kept))
        reasons += ["there was no memory to keep all traces"] * (len(models) < len(found))
        if len(models) < 2:
            return CostMeasurement(time.time(), reason="; ".join(reasons))
        measurement = measure_in_turns(models, budget=budget_after(time.perf_counter() - self._began))
        return replace(measurement, reason="; ".join([*reasons, *filter(None, [measurement.reason])]))

    def _check_lasted(self, recorder: Recorder) -> None:
        """Raises a GeneratorEndedError if the epochs so far lacked batches of a generator."""
        options, num_epochs = self._data.fit_options, max(len(recorder.epoch_seconds), 1)
        for batches, steps in ((self._data.x, "steps_per_epoch"), (self._data.validation, "validation_steps")):
            if isinstance(batches, Batches):
                batches.check_lasted(options[steps] * num_epochs)

    def _completed(
        self,
        request: ExecutionRequest,
        started_at: float,
        recorder: Recorder,
        trainer: str,
        measured: tuple[Resources, dict[str, float], Learned],
        monitor: HealthMonitor,
    ) -> ExecutionRecord:
        resources, test, learned = measured
        return ExecutionRecord(
            **_identity(request),
            status=Status.COMPLETED,
            started_at=started_at,
            ended_at=time.time(),
            score=recorder.score,
            best_epoch=recorder.best_epoch,
            test_score=test.get(self._objective.name.removeprefix("val_")),
            test_metrics=test,
            history=_history(recorder),
            epoch_seconds=tuple(recorder.epoch_seconds),
            samples=recorder.samples,
            resources=resources,
            trainer=trainer,
            health=monitor.plain(),
            learned=learned,
        )

    def _failed(
        self, request: ExecutionRequest, started_at: float, recorder: Recorder, trainer: str | None, error: Exception
    ) -> ExecutionRecord:
        return ExecutionRecord(
            **_identity(request),
            status=Status.FAILED,
            started_at=started_at,
            ended_at=time.time(),
            history=_history(recorder),
            epoch_seconds=tuple(recorder.epoch_seconds),
            samples=recorder.samples,
            trainer=trainer,
            reason=reason_of(error),
        )


def fit_options(
    data: TrainingData, *, epochs: int, batch_size: int, callbacks: list[Any], for_own_fit: bool = True
) -> dict[str, Any]:
    """Returns the arguments of `fit` besides `x`, those of `search` among them.

    Args:
        data: Training data.
        epochs, batch_size, callbacks: Arguments of `fit`.
        for_own_fit: Whether they are for a user's `HyperModel.fit`, which gets weights as they were given.
    """
    options: dict[str, Any] = {
        "y": data.y,
        "sample_weight": data.weight,
        "validation_data": raw(data.validation),
        "epochs": epochs,
        "callbacks": callbacks,
        "verbose": 0,
    }
    if for_own_fit or not data.are_arrays:
        options |= {"sample_weight": data.sample_weight, "class_weight": data.class_weight}
    if data.are_arrays:
        options |= {"batch_size": batch_size}
    if not (data.are_arrays and data.shuffle):  # a data set defines its batches and their order
        options |= {"shuffle": False}
    return {name: value for name, value in (options | dict(data.fit_options)).items() if value is not None}


def _inference(forward: Forward) -> float:
    """Measures the median time of a forward pass over one batch, in microseconds per sample."""
    watch = Stopwatch()
    seconds: list[float] = []
    while len(seconds) < 5 or (sum(seconds) < 0.005 and len(seconds) < 50):
        np.asarray(tf.nest.flatten(forward())[0])
        seconds.append(watch.lap())
    return float(np.median(seconds)) * 1e6 / forward.num_samples


def _identity(request: ExecutionRequest) -> dict[str, Any]:
    return {name: getattr(request, name) for name in ("trial_id", "execution", "seed", "epochs")}


def _history(recorder: Recorder) -> dict[str, tuple[float, ...]]:
    return {name: tuple(values) for name, values in recorder.history.items()}


def reason_of(error: Exception) -> str:
    """Returns the reason why an execution failed: our message, or class, message and source line of the error."""
    if isinstance(error, ExecutionFailedError | DataError):
        return str(error)
    if isinstance(error, tf.errors.OpError):
        return f"{type(error).__name__}: {tensorflow_message(error)}"
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({last.filename}:{last.lineno} in {last.name})"
