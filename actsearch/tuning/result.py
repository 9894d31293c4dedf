"""What a search found, as it ends and as it is opened again from its directory."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actsearch.analysis.results import Verdict
from actsearch.analysis.verdict import verdict_of
from actsearch.errors import SearchFailedError, UnknownNameError, UsageError
from actsearch.ledger import FILE_NAME, Ledger
from actsearch.records import SearchRecord, TrialRecord
from actsearch.reports.leaderboard import leaderboard_rows
from actsearch.reports.markdown import markdown_report
from actsearch.tracking.store import model_file

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from actsearch.training.model_cache import BuildFunction


@dataclass(frozen=True, repr=False)
class SearchResult:
    """The trials of a search, the best of them, and where everything is written.

    Args:
        record: The whole search as the ledger has it.
        directory: Where ledger and weights are.
        mlflow: `tracking_uri`, `experiment_id`, `run_id`, and `trial_run_ids` by trial; empty where MLflow could not
            be written, and for a search that was loaded.
        build: The function that builds its models; None where it is not known.
        sample: A row of x, for models that do not know the shape of their input.
    """

    record: SearchRecord
    directory: Path
    mlflow: dict[str, Any] = field(default_factory=dict)
    build: "BuildFunction | None" = None
    sample: Any = None

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

    def leaderboard(self) -> "pd.DataFrame":
        """One row a trial, the best mean first: hyperparameters, verdict, score, gain with its interval, costs.

        Costs are means in the recorded units; `train_seconds_ratio` and the like are multiples of the baseline's.
        """
        import pandas as pd

        rows = leaderboard_rows(self.record, self.verdict)
        return pd.DataFrame([{"trial_id": row.trial_id, **row.hyperparameters, **row.plain()} for row in rows])

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

        It is built by the search's build function and gets the weights that were kept; without that function it is
        loaded from the `.keras` file that the search saved of its best trial. The trial's mean score says what to
        expect of such a model; this one's own score is the luckiest draw.

        Args:
            trial_id: Another trial than the best.

        Raises:
            UnknownNameError: There is no such trial.
            UsageError: There is neither a build function nor a saved model.
            LedgerError: No weights were kept, or they are damaged.
        """
        trial = self.best if trial_id is None else self._trial(trial_id)
        if self.build is not None:
            return self._built(trial)
        file = model_file(self.directory, trial.trial_id)
        if not file.is_file():
            raise UsageError(
                f"Trial {trial.trial_id} of {self.directory} has no saved model, and nothing says how to build it. "
                "Pass the function that builds it: actsearch.load_result(directory, build=...)."
            )
        from actsearch.swap.user_model import load_user_model

        return load_user_model(file)

    def figures(self) -> "dict[str, Figure]":
        """All figures of the search, by name; those that would show nothing are omitted."""
        from actsearch.visualization.figures import all_figures

        return all_figures(self.record, self.verdict)

    def plot(self, name: str) -> "Figure":
        """One of the figures of the search.

        Args:
            name: `"differences"`, `"executions"`, `"curves"`, `"pareto"`, `"costs"` or `"health"`.

        Raises:
            UnknownNameError: There is no such figure, or the search has nothing to show in it.
        """
        figures = self.figures()
        if name not in figures:
            raise UnknownNameError("figure", name, figures, f"Search {self.record.name}")
        return figures[name]

    def save_report(self, path: str | Path) -> Path:
        """Writes a report that can be shared: a self-contained page, or markdown.

        Args:
            path: A file that ends in `.html` or `.md`.

        Returns:
            The path.

        Raises:
            UsageError: The path has another ending, or cannot be written.
        """
        path = Path(path)
        if path.suffix not in (".html", ".md"):
            raise UsageError(f"{path}: a report ends in .html or .md. Give a path with one of these endings.")
        try:
            path.write_text(self._html() if path.suffix == ".html" else self.report(), "utf-8")
        except OSError as error:
            raise UsageError(f"{path}: cannot be written: {error.strerror}. Give another path.") from error
        return path

    def report(self) -> str:
        """Verdict and leaderboard in markdown."""
        return markdown_report(self.record, self.verdict)

    def _html(self) -> str:
        from actsearch.reports.html import html_report

        return html_report(self.record, self.verdict)

    def _trial(self, trial_id: str) -> TrialRecord:
        found = next((t for t in self.trials if t.trial_id == trial_id), None)
        if found is None:
            raise UnknownNameError("trial", trial_id, [t.trial_id for t in self.trials])
        return found

    def _built(self, trial: TrialRecord) -> Any:
        import keras_tuner

        from actsearch.training.model_cache import build_model
        from actsearch.tuning.storage import load_weights

        assert self.build is not None
        hp = keras_tuner.HyperParameters()
        hp.values = dict(trial.hyperparameters)
        model = build_model(self.build, hp, seed=self.record.config.seed, sample=self.sample)
        model.set_weights(load_weights(self.directory, trial.trial_id))
        return model

    def __repr__(self) -> str:
        best = f", best {self.record.best.activation}" if self.record.best else ""
        return f"<SearchResult {self.record.name}: {len(self.trials)} trials{best}, in {self.directory}>"

    def __str__(self) -> str:
        from actsearch.reports.leaderboard import text_report

        return text_report(self.record, self.verdict)

    def _repr_html_(self) -> str:
        from actsearch.reports.html import search_html

        return search_html(self.record, self.verdict)


def load_result(directory: str | Path, build: "BuildFunction | None" = None) -> SearchResult:
    """The result of an earlier search, also of one that was interrupted; TensorFlow is not loaded.

    Args:
        directory: The directory of the search, which holds its ledger.
        build: The function that builds its models, where `best_model` is wanted of a trial that was not saved.

    Returns:
        The result, as the search returned it.

    Raises:
        UsageError: There is no search in the directory.
        LedgerError: Its ledger is damaged; `actsearch report` shows what is intact.
    """
    directory = Path(directory)
    if not (directory / FILE_NAME).is_file():
        raise UsageError(
            f"{directory} holds no search: there is no {FILE_NAME} in it. Give the directory that the search named, "
            "such as actsearch-runs/20260131-120000-relu_variants."
        )
    return SearchResult(Ledger(directory).read(), directory, build=build)


def failure(search: SearchRecord) -> str:
    """Why no execution completed, in one message."""
    reasons = dict.fromkeys(e.reason for t in search.trials for e in t.executions if e.reason)
    shown = "\n".join(f"  {reason}" for reason in list(reasons)[:3])
    count = sum(len(t.executions) for t in search.trials)
    return f"None of the {count} executions completed:\n{shown or '  none was started'}"
