"""The data that the packages exchange: plain frozen records of a search, its trials and their executions."""

import math
import re
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actsearch.config import SearchConfig
from actsearch.errors import UsageError, did_you_mean


class Status(StrEnum):
    """Status of an execution or a trial."""

    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


class Direction(StrEnum):
    """Whether a larger or a smaller value of the objective is better."""

    MAX = "max"
    MIN = "min"


class Task(StrEnum):
    """The kind of target to learn: one of two classes, one of several classes, or a number."""

    BINARY = "binary"
    MULTICLASS = "multiclass"
    REGRESSION = "regression"


class Scope(StrEnum):
    """What a verdict speaks of: the mean over new data sets of the same size, or over new seeds on these data."""

    NEW_DATA = "new data"
    THESE_DATA = "these data"


@dataclass(frozen=True)
class Objective:
    """A metric's name and the direction in which it is better.

    `reason` says why it is this metric and direction, if the user did not name them.
    """

    name: str
    direction: Direction
    reason: str = field(default="", compare=False)

    def best(self, values: Mapping[Any, float]) -> Any:
        """Returns the key of the best value, the first one in a tie."""
        pick = max if self.direction is Direction.MAX else min
        return pick(values, key=values.__getitem__)


@dataclass(frozen=True)
class Resources:
    """The cost of one execution, measured for the process that ran it, not for the machine.

    `train_seconds` is the median epoch (with validation and callbacks) times the number of epochs, so that one hiccup
    does not count; `best_epoch_seconds` the same up to the best epoch; `train_wall_seconds` what the clock showed; in
    ledgers without it, `train_seconds` is that. Building and tracing are measured separately. `peak_rss_bytes` is the
    peak of a process that only trains. `training_memory_bytes` and `flops_per_sample` are counted from the traced
    graphs, the same on every run: weights, optimizer state, and what the backward pass needs of a batch; the
    floating-point operations of a forward pass as TensorFlow's profiler counts them. None is what was not measured.
    """

    build_seconds: float
    trace_seconds: float
    train_seconds: float
    best_epoch_seconds: float
    cpu_seconds: float
    peak_rss_bytes: int | None
    num_parameters: int
    inference_microseconds: float | None = None
    peak_gpu_bytes: int | None = None
    gpu_joules: float | None = None
    train_wall_seconds: float | None = None
    training_memory_bytes: int | None = None
    flops_per_sample: int | None = None


@dataclass(frozen=True)
class CostMeasurement:
    """Times of the trials of a search, measured in turns at its end: in each round every trial once, in random order.

    Times of the same round are pairs. They are microseconds per sample, by trial id: wall and CPU time of a training
    step, and inference of one batch. Trials that could not be measured are missing, and `reason` says why. `at` is in
    seconds since 1970; `seconds` is how long the measurement took.
    """

    at: float
    seconds: float = 0.0
    train_microseconds: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    cpu_microseconds: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    inference_microseconds: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    reason: str = ""

    @property
    def num_rounds(self) -> int:
        """Number of rounds."""
        return max(map(len, self.train_microseconds.values()), default=0)


@dataclass(frozen=True, eq=False)
class SampleScores:
    """The part of each sample in a score: the mean of `values` is the score.

    Args:
        ids: Which samples they are, numbers of the undivided data or of the part that was given, shape (n,).
        values: Correct or not, error, loss; for other metrics than means (AUC, F1), what each sample contributes to it.
            Shape (n,).
    """

    ids: NDArray[np.int64]
    values: NDArray[np.float32]


@dataclass(frozen=True)
class ExecutionRequest:
    """A request for one training from scratch: plain data, safe to send to another process."""

    trial_id: str
    execution: int
    seed: int
    epochs: int
    hyperparameters: Mapping[str, Any]


@dataclass(frozen=True)
class ExecutionRecord:
    """One training from scratch of a trial with one seed, and how it ended.

    `history` has one value per epoch under each of Keras's names (`loss`, `val_accuracy` ...).
    `seed` is None if the training was not seeded, which only the mixin `MLflowTracking` records.
    Executions and epochs are counted from 1. `epochs` is the budget, `num_epochs` the number of epochs trained.
    Times are seconds since 1970. `samples` has the resources that the process used in each epoch: `cpu_percent` of one
    core, `rss_mib` at its end, and `gpu_mib` if there is a GPU. `reason` says why a FAILED execution failed. `health`
    has the diagnoses as plain data. `learned` has, by site and parameter of the activation, the initial value, and the
    mean, smallest and largest value in the best epoch.
    """

    trial_id: str
    execution: int
    seed: int | None
    epochs: int
    status: Status
    started_at: float
    ended_at: float
    score: float | None = None
    best_epoch: int | None = None
    test_score: float | None = None
    test_metrics: Mapping[str, float] = field(default_factory=dict)
    history: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    epoch_seconds: tuple[float, ...] = ()
    samples: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    resources: Resources | None = None
    trainer: str | None = None
    reason: str | None = None
    health: tuple[Mapping[str, Any], ...] = ()
    learned: Mapping[str, Mapping[str, tuple[float, ...]]] = field(default_factory=dict)

    @property
    def num_epochs(self) -> int:
        """Number of epochs trained."""
        return len(self.epoch_seconds)


@dataclass(frozen=True)
class TrialRecord:
    """One set of hyperparameter values and its executions so far, in the order of their seeds.

    `activation` is a label: the activation's name, or the names at each site. `activations` has the result of
    `BoundActivation.to_dict` by site, under `""` if all sites share one activation; it is empty if the trial uses no
    activation of the catalogue. `matching` names the initializer and dropout used with it. `screening` has the results
    of screening before training, if it was requested; a trial that was `skipped` because of them has no executions.
    """

    trial_id: str
    hyperparameters: Mapping[str, Any]
    activation: str
    matching: Mapping[str, str] = field(default_factory=dict)
    screening: Mapping[str, Any] = field(default_factory=dict)
    skipped: bool = False
    executions: tuple[ExecutionRecord, ...] = ()
    activations: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @cached_property
    def completed(self) -> tuple[ExecutionRecord, ...]:
        """The executions that completed."""
        return tuple(e for e in self.executions if e.status is Status.COMPLETED)

    @property
    def status(self) -> Status:
        """COMPLETED if at least one execution completed, FAILED if all failed, else RUNNING."""
        if self.completed:
            return Status.COMPLETED
        return Status.FAILED if self.executions else Status.RUNNING

    @property
    def scores(self) -> dict[int, float]:
        """The objective of each completed execution, by execution number."""
        return {e.execution: e.score for e in self.completed if e.score is not None}

    @cached_property
    def mean_score(self) -> float | None:
        """Mean objective over the completed executions."""
        return statistics.fmean(self.scores.values()) if self.scores else None

    @property
    def sd_score(self) -> float | None:
        """Sample standard deviation of the objective; None for fewer than two executions."""
        return statistics.stdev(self.scores.values()) if len(self.scores) > 1 else None

    def mean_resource(self, name: str) -> float | None:
        """Returns the mean of a field of `Resources` over the completed executions; None if it was not measured."""
        values = [getattr(e.resources, name) for e in self.completed if e.resources is not None]
        measured = [v for v in values if v is not None and math.isfinite(v)]
        return statistics.fmean(measured) if measured else None


@dataclass(frozen=True)
class Extension:
    """More executions for a search that had ended.

    Args:
        at: Time, in seconds since 1970.
        after: Number of seeds that were complete before it.
        allocation, executions, max_executions: The new numbers, as in `SearchConfig`.
        only: Labels of the activations that get them, besides the baseline; empty for all.
    """

    at: float
    after: int
    allocation: str
    executions: int | None = None
    max_executions: int | None = None
    only: tuple[str, ...] = ()


@dataclass(frozen=True)
class SearchRecord:
    """One search as recorded in the ledger.

    `baseline` is the label that all others are compared with, None if the search has no baseline. `config` has the
    numbers it was started with, `model` a fingerprint of the searched model, `weights` whether executions `keep` the
    weights of that model or `redraw` them (None if a build function makes the models), `environment` the versions, git
    commit and hardware, and `data` describes the data (name, fingerprint, sizes, task). `remarks` say what a reader of
    the results has to know of the model, such as activations that stay the same in all trials. `ends` are the times at
    which it ended or was interrupted, `extensions` what was added then. `measurements` are those of costs in turns, the
    latest last; a resumed search may have several.
    """

    search_id: str
    name: str
    objective: Objective
    baseline: str | None
    created_at: float
    ended_at: float | None = None
    space: Mapping[str, Any] = field(default_factory=dict)
    config: SearchConfig = field(default_factory=SearchConfig)
    model: str = ""
    weights: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    trials: tuple[TrialRecord, ...] = ()
    ends: tuple[float, ...] = ()
    extensions: tuple[Extension, ...] = ()
    measurements: tuple[CostMeasurement, ...] = ()

    @property
    def allocation(self) -> str:
        """The allocation, after all extensions."""
        return self.extensions[-1].allocation if self.extensions else self.config.allocation

    @cached_property
    def varying(self) -> dict[str, set[str]]:
        """The names of the hyperparameters in which the trials of an activation differ, by activation."""
        groups: dict[str, list[Mapping[str, Any]]] = {}
        for trial in self.trials:
            groups.setdefault(trial.activation, []).append(trial.hyperparameters)
        return {a: {n for n in set[str]().union(*g) if len({repr(v.get(n)) for v in g}) > 1} for a, g in groups.items()}

    @property
    def ranked(self) -> list[TrialRecord]:
        """Trials with a score, the best mean first, then those without one. Ties keep their order."""
        sign = -1 if self.objective.direction is Direction.MAX else 1
        scored = [t for t in self.trials if t.mean_score is not None]
        rest = [t for t in self.trials if t.mean_score is None]
        return sorted(scored, key=lambda t: sign * t.mean_score) + rest  # type: ignore[operator]

    def best_execution(self, trial: TrialRecord) -> ExecutionRecord | None:
        """Returns the execution of a trial with the best objective, whose weights are kept; the first one in a tie."""
        scores = dict(sorted(trial.scores.items()))
        number = self.objective.best(scores) if scores else None
        return next((e for e in trial.completed if e.execution == number), None)

    @property
    def best(self) -> TrialRecord | None:
        """The trial with the best mean objective; None if no execution completed."""
        ranked = self.ranked
        return ranked[0] if ranked and ranked[0].mean_score is not None else None


_USUAL = ("val_accuracy", "val_loss", "val_mae", "val_auc", "val_precision", "val_recall", "val_f1_score")
_WORDS = {
    Direction.MAX: r"acc|accuracy|auc|auroc|auprc|precision|recall|sensitivity|specificity|f\d?|fbeta|r2|m?iou|dice"
    r"|jaccard|top\d*|similarity|psnr|ssim|ndcg|mcc|kappa|bleu|rouge",
    Direction.MIN: r"loss|error|mae|mse|rmse|s?mape|r?msle|deviation|entropy|crossentropy|divergence|hinge|perplexity"
    r"|distance|huber|nll|brier|wer|cer",
}
_NEVER_A_LOSS = r"acc|accuracy|auc|r2"
_REVERSING = r"neg|negative|minus|inverse|inverted|reduction|decrease|improvement|gain|skill"


def parse_objective(objective: Any, known: Mapping[str, Direction] | None = None) -> Objective:
    """Converts a user's description of the objective to an `Objective`.

    Args:
        objective: Name of a metric; a name with its direction, `"val_f1:max"`; an `Objective` of ours or of KerasTuner.
        known: Directions of the metrics of the model, by name.

    Returns:
        The objective; a direction that is not given follows from the model's metrics, else from the name.

    Raises:
        UsageError: The direction does not follow from the name, or is neither max nor min.

    Example:

    >>> parse_objective("val_r2_score").direction.value, parse_objective("val_dice_loss").direction.value
    ('max', 'min')
    """
    if isinstance(objective, Objective):
        return objective
    direction: str | None
    reason = ""
    if isinstance(objective, str):
        name, _, direction = objective.partition(":")
        if not direction:
            direction, reason = _inferred(name, known or {})
    else:
        name = getattr(objective, "name", None) or ""
        direction = getattr(objective, "direction", None)
    if not name or direction not in list(Direction):
        raise UsageError(
            f"Objective {objective!r}: cannot tell whether larger or smaller values are better."
            f"{did_you_mean(str(name), _USUAL)} Write {name or 'val_accuracy'}:max or {name or 'val_loss'}:min."
        )
    return Objective(str(name), Direction(direction), reason)


def _inferred(name: str, known: Mapping[str, Direction]) -> tuple[str | None, str]:
    """Returns the direction, and what it is inferred from."""
    logged = name.removeprefix("val_")
    for metric, direction in known.items():
        if logged == metric or logged.endswith(f"_{metric}"):  # with several outputs, the output's name comes first
            return direction, "inferred from the metric"
    return _direction_of(name), "inferred from the name"


def _direction_of(name: str) -> str | None:
    """Returns the direction that a name implies; None if it implies none, or both.

    In `dice_loss` and `top_mae`, the last word says what is measured. In `loss_iou`, it may be part of the name of a
    loss.
    """
    spaced = re.sub(r"(?<=[^\W_])(?=[A-Z][a-z])", "_", name).lower()
    words = [word for word in re.split(r"[_\W]+", spaced) if word and not word.isdigit()]
    told = [d for word in words for d, pattern in _WORDS.items() if re.fullmatch(pattern, word)]
    if not told or any(re.fullmatch(_REVERSING, word) for word in words):
        return None
    if len(set(told)) == 1:
        return told[0]
    last = re.fullmatch(_WORDS[Direction.MIN], words[-1])
    return Direction.MIN if last else Direction.MAX if re.fullmatch(_NEVER_A_LOSS, words[-1]) else None


def execution_seed(seed: int, execution: int) -> int:
    """Derives the seed of an execution from the search's seed and the execution's number, never from the trial.

    This pairs the trials: they share the draw of weights, up to its scale, and the order of the data.

    Example:

    >>> execution_seed(0, 1) == execution_seed(0, 1) != execution_seed(0, 2)
    True
    """
    return int(np.random.SeedSequence([seed, execution]).generate_state(1)[0] >> 1)
