"""Records made up for tests: executions, trials and searches."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from actsearch.records import (
    Direction,
    ExecutionRecord,
    Objective,
    Resources,
    SearchRecord,
    Status,
    TrialRecord,
)

ACCURACY = Objective("val_accuracy", Direction.MAX)
LOSS = Objective("val_loss", Direction.MIN)


def execution(number: int, trial_id: str = "0", **values: Any) -> ExecutionRecord:
    """A completed execution of two epochs, but for what is given."""
    defaults = {"seed": 7, "epochs": 2, "status": Status.COMPLETED, "started_at": 2.0, "ended_at": 3.0}
    return ExecutionRecord(trial_id, number, **{**defaults, **values})


def scored(
    trial_id: str,
    number: int,
    score: float | None,
    *,
    test_score: float | None = None,
    seconds: float = 1.0,
    epochs: int = 5,
) -> ExecutionRecord:
    """A completed execution, or a failed one where there is no score."""
    resources = Resources(
        build_seconds=0.1,
        trace_seconds=0.2,
        train_seconds=seconds,
        best_epoch_seconds=seconds,
        cpu_seconds=2 * seconds,
        peak_rss_bytes=2**27,
        inference_microseconds=3.0,
        num_parameters=1000,
        train_wall_seconds=seconds,
        training_memory_bytes=2**21,
        flops_per_sample=5_000_000,
    )
    return execution(
        number,
        trial_id,
        seed=number,
        epochs=epochs,
        status=Status.FAILED if score is None else Status.COMPLETED,
        started_at=0.0,
        ended_at=1.0,
        score=score,
        test_score=test_score,
        history={} if score is None else {"val_accuracy": (score / 2, score), "loss": (1.0, 0.5)},
        resources=None if score is None else resources,
        reason="loss is nan" if score is None else None,
    )


def trial(trial_id: str, activation: str, scores: Sequence[float | None], **options: Any) -> TrialRecord:
    """A trial with these scores, from execution 1 on."""
    tests = options.pop("test_scores", None) or [None] * len(scores)
    values = options.pop("hyperparameters", {"activation": activation})
    executions = tuple(
        scored(trial_id, n, score, test_score=test, **options)
        for n, (score, test) in enumerate(zip(scores, tests, strict=True), start=1)
    )
    return TrialRecord(trial_id, values, activation, executions=executions)


def diagnosed(made: TrialRecord, sites: Mapping[str, tuple[float, float | None]]) -> TrialRecord:
    """The trial with a diagnosis of its first execution: share of dead units and gradient norm by site."""
    found = [
        {"site": name, "dead": dead, "saturated": 0.0, "sparsity": 0.5, "gradient_norm": norm}
        for name, (dead, norm) in sites.items()
    ]
    first = replace(made.executions[0], health=({"epoch": 2, "gradient_ratio": 1.0, "sites": found},))
    return replace(made, executions=(first, *made.executions[1:]))


def search(trials: Mapping[str, Sequence[float | None]] | Sequence[TrialRecord], **options: Any) -> SearchRecord:
    """A search with relu as baseline; trials as records, or as scores by activation."""
    seconds = options.pop("seconds", {})
    made = (
        [trial(str(i), name, s, seconds=seconds.get(name, 1.0)) for i, (name, s) in enumerate(trials.items())]
        if isinstance(trials, Mapping)
        else trials
    )
    known = {"search_id": "s", "name": "demo", "objective": ACCURACY, "baseline": "relu", "created_at": 0.0} | options
    return SearchRecord(trials=tuple(made), **known)
