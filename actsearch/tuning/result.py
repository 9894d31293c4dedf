"""What a search found."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras_tuner

from actsearch.analysis.results import Verdict
from actsearch.analysis.verdict import verdict_of
from actsearch.errors import SearchFailedError
from actsearch.records import SearchRecord, TrialRecord
from actsearch.reports.markdown import markdown
from actsearch.reports.notebook import search_html
from actsearch.training.model_cache import BuildFunction, build_model
from actsearch.tuning.storage import load_weights

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class SearchResult:
    """The trials of a search, the best of them, and where everything is written.

    Args:
        record: The whole search as the ledger has it.
        directory: Where ledger and weights are.
        mlflow: `tracking_uri`, `experiment_id`, `run_id`, and `trial_run_ids` by trial; empty where MLflow could not
            be written.
    """

    record: SearchRecord
    directory: Path
    mlflow: dict[str, Any] = field(default_factory=dict)
    build: BuildFunction | None = field(default=None, repr=False)
    sample: Any = field(default=None, repr=False)

    @property
    def trials(self) -> tuple[TrialRecord, ...]:
        """All trials, in the order in which they were proposed."""
        return self.record.trials

    @property
    def best(self) -> TrialRecord:
        """The trial with the best mean objective.

        Raises:
            SearchFailedError: No execution completed.
        """
        if self.record.best is None:
            raise SearchFailedError(failure(self.record))
        return self.record.best

    @property
    def mlflow_run_id(self) -> str | None:
        """The run of the search in MLflow."""
        return self.mlflow.get("run_id")

    @cached_property
    def verdict(self) -> Verdict:
        """What the evidence says of each trial against the baseline."""
        return verdict_of(self.record)

    def to_frame(self) -> "pd.DataFrame":
        """One row an execution: trial, activation, hyperparameters, seed, status, score, cost."""
        import pandas as pd

        rows = []
        for trial in self.trials:
            for e in trial.executions:
                row = {"trial_id": trial.trial_id, **trial.hyperparameters, "activation": trial.activation}
                row |= {"execution": e.execution, "seed": e.seed, "status": str(e.status), "score": e.score}
                row |= {"test_score": e.test_score, "num_epochs": e.num_epochs, "best_epoch": e.best_epoch}
                row |= vars(e.resources) if e.resources else {}
                rows.append(row | {"reason": e.reason})
        return pd.DataFrame(rows)

    def best_model(self, trial_id: str | None = None) -> Any:
        """The trained model of the best trial: of its executions, the one with the best validation score.

        The trial's mean score says what to expect of such a model; this one's own score is the luckiest draw.

        Args:
            trial_id: Another trial than the best.
        """
        trial = self.best if trial_id is None else next(t for t in self.trials if t.trial_id == trial_id)
        if self.build is None:
            raise SearchFailedError("This result was read from a ledger; search() or the tuner that made it can build.")
        hp = keras_tuner.HyperParameters()
        hp.values = dict(trial.hyperparameters)
        model = build_model(self.build, hp, seed=self.record.config.seed, sample=self.sample)
        model.set_weights(load_weights(self.directory, trial.trial_id))
        return model

    def _repr_html_(self) -> str:
        return search_html(self.record, self.verdict)

    def report(self) -> str:
        """Verdict and leaderboard in markdown."""
        return markdown(self.record, self.verdict)


def failure(search: SearchRecord) -> str:
    """Why no execution completed, in one message."""
    reasons = dict.fromkeys(e.reason for t in search.trials for e in t.executions if e.reason)
    shown = "\n".join(f"  {reason}" for reason in list(reasons)[:3])
    count = sum(len(t.executions) for t in search.trials)
    return f"None of the {count} executions completed:\n{shown or '  none was started'}"
