"""The result of a search, returned when it ends and loaded again from its directory."""

import textwrap
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actsearch.analysis.hyperparameters.importance import Importance
from actsearch.analysis.results import Verdict
from actsearch.analysis.verdict import verdict_of
from actsearch.errors import SearchFailedError, UnknownNameError, UsageError
from actsearch.ledger import FILE_NAME, Ledger
from actsearch.ledger.samples import StoredSamples
from actsearch.records import SearchRecord, TrialRecord
from actsearch.reports.leaderboard import leaderboard_rows, model_text
from actsearch.reports.markdown import markdown_report
from actsearch.reports.text import WIDTH, text_report
from actsearch.tracking.store import model_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.figure import Figure

    from actsearch.training.model_cache import BuildFunction
    from actsearch.tuning.progress import Reporter


@dataclass(frozen=True, repr=False)
class SearchResult:
    """The trials and verdict of a search, its best model, and where everything is written.

    Args:
        record: Record of the whole search from the ledger.
        directory: Directory with the ledger and the weights.
        mlflow: `tracking_uri`, `experiment_id`, `run_id`, and `trial_run_ids` by trial; empty if MLflow could not be
            written, and for a search that was loaded.
        build: Function that builds its models; None if it is not known.
        sample: A row of x, for models that do not know the shape of their input.

    Example:

    >>> import actsearch
    >>> result = actsearch.load_result("actsearch-runs/digits")
    >>> result.best.activation, result.verdict.recommendation
    ('elu', 'elu: +8.6 points of test accuracy [4.3, 13.0], time not settled')
    >>> result.leaderboard()[["activation", "verdict"]].values.tolist()
    [['elu', 'better'], ['relu', 'baseline'], ['sigmoid', 'worse']]
    >>> result.save_report("report.md").name
    'report.md'
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
        """The trial with the best mean objective, which is a validation score; the verdict may judge by test scores.

        Raises:
            SearchFailedError: No execution completed.
        """
        if self.record.best is None:
            raise SearchFailedError(failure(self.record))
        return self.record.best

    @property
    def mlflow_run_id(self) -> str | None:
        """Id of the search's run in MLflow."""
        return self.mlflow.get("run_id")

    @cached_property
    def verdict(self) -> Verdict:
        """Verdict on each trial against the baseline."""
        return verdict_of(self.record, StoredSamples(self.directory))

    @property
    def how_to_settle(self) -> str:
        """How to continue until it is decided: a command, or the arguments of the call; empty if it cannot."""
        from actsearch.reports.next_step import how_to_settle

        return how_to_settle(self.record, self.verdict, self.directory)

    def importance(self) -> Importance:
        """Estimates how much the judged score depends on each hyperparameter that varies between trials.

        A full grid shows the shares of the variance between executions itself; otherwise they are estimated on trials
        held out, by a forest, and are too small where there are few trials, rather than too large. With fewer than 8
        trials, with fewer than two hyperparameters that vary, and where nothing is predicted, there are none, and
        `reason` says why.

        Returns:
            The shares of the hyperparameters, and of seeds and splits, and how activations interact with numbers.
        """
        from actsearch.analysis.hyperparameters.importance import importance_of

        return importance_of(self.record, self.verdict)

    def leaderboard(self) -> "pd.DataFrame":
        """Returns one row per trial, the largest gain first: hyperparameters, verdict, score, gain, costs.

        `score` is the mean judged score, and `score_name` its name: `test accuracy`, or `val accuracy` without test
        data. `objective_mean` is the mean validation score. Gains are turned so that + is better. Costs are the
        baseline's mean times the trial's multiple, or means where not all trials are compared, in the recorded units;
        `train_seconds_ratio` and the like are the multiples.
        """
        import pandas as pd

        rows = leaderboard_rows(self.record, self.verdict)
        return pd.DataFrame([{"trial_id": row.trial_id, **row.hyperparameters, **row.plain()} for row in rows])

    def to_frame(self) -> "pd.DataFrame":
        """Returns one row per execution: trial, activation, hyperparameters, seed, status, scores, costs.

        `objective` is the validation score in the best epoch, `test_score` the score on test data.
        """
        import pandas as pd

        rows = []
        for trial in self.trials:
            for e in trial.executions:
                row = {"trial_id": trial.trial_id, **trial.hyperparameters, "activation": trial.activation}
                row |= {"execution": e.execution, "seed": e.seed, "status": str(e.status), "objective": e.score}
                row |= {"test_score": e.test_score, "num_epochs": e.num_epochs, "best_epoch": e.best_epoch}
                row |= vars(e.resources) if e.resources else {}
                rows.append(row | {"reason": e.reason})
        return pd.DataFrame(rows)

    def best_model(self, trial_id: str | None = None) -> Any:
        """Returns the trained model of a trial, from its execution with the best validation score.

        It was trained on the training part of that execution's split alone; `describe_model` says which execution it
        was and with what score. Expect the trial's mean score from this model: its own score is the luckiest draw.
        `refit` trains on all data.

        It is built by the search's build function and gets the saved weights; without that function, it is loaded from
        the `.keras` file that the search saved for its best trial.

        Args:
            trial_id: Id of the trial; None for `best`, whose mean validation score is best. The verdict may advise
                another, `verdict.recommended`: a higher mean alone is not evidence that a trial is better.

        Returns:
            A compiled Keras model.

        Raises:
            UnknownNameError: No trial has that id.
            UsageError: There is neither a build function nor a saved model.
            LedgerError: No weights were kept, or they are damaged.
        """
        trial = self.best if trial_id is None else self._trial(trial_id)
        if self.build is not None:
            return self._built(trial)
        file = model_file(self.directory, trial.trial_id)
        if not file.is_file():
            raise UsageError(
                f"Trial {trial.trial_id} of {self.directory} has no saved model and no build function. "
                "Pass the function that builds it: actsearch.load_result(directory, build=...)."
            )
        from actsearch.swap.user_model import load_user_model

        return load_user_model(file)

    def describe_model(self, trial_id: str | None = None) -> str:
        """Says which execution trained the model that `best_model` returns, and with what scores.

        Args:
            trial_id: Id of the trial; None for the best.

        Returns:
            A sentence, and another one if this best trial is not the one that the verdict advises.

        Raises:
            UnknownNameError: No trial has that id.
            SearchFailedError: No execution completed.
        """
        return model_text(self.record, self.verdict, self.best if trial_id is None else self._trial(trial_id))

    def refit(
        self,
        x: Any,
        y: Any = None,
        *,
        trial_id: str | None = None,
        sample_weight: Any = None,
        class_weight: "Mapping[int, float] | None" = None,
        verbose: "int | Reporter" = 1,
        **fit_options: Any,
    ) -> Any:
        """Trains the recommended activation on all data, for the median best epoch of its executions.

        No sample is held out, so no score of this model is known. Scale x and y as for the search, but by all samples.

        Args:
            x, y: All data, in any form that `search` takes.
            trial_id: Id of the trial; None for the one that the verdict recommends: the best of those shown better,
                else the baseline, or an equivalent that trains faster; of its configurations, the one of the best mean
                validation score.
            sample_weight: Weight of each sample, shape (n,), or arrays nested like `y`.
            class_weight: Weight of each class, by its number.
            verbose: 0 to say nothing; else what is trained, and for how long, is printed to standard error.
            **fit_options: Other arguments of `model.fit`. Pass the `callbacks` of the search again if they change the
                training, such as a schedule of the learning rate.

        Returns:
            A compiled and trained Keras model.

        Raises:
            UnknownNameError: No trial has that id.
            UsageError: The build function is not known, or an argument would be ignored or hold data back.
            SearchFailedError: No execution of the trial completed.
            ExecutionFailedError: The loss is not finite in the end.
        """
        from actsearch.training.refit import plan_refit, refit_data, train_on_all
        from actsearch.tuning.progress import reporter_for

        trial = self._trial(trial_id or self.verdict.recommended or self.best.trial_id)
        plan = plan_refit(self.record, trial)
        if self.build is None:
            raise UsageError(
                f"{self.directory} was loaded without the function that builds its models. Pass it: "
                "actsearch.load_result(directory, build=...)."
            )
        data = refit_data(x, y, sample_weight, class_weight, fit_options)
        reporter_for(verbose).message(str(plan))
        return train_on_all(plan, self.build, data)

    def figures(self) -> "dict[str, Figure]":
        """Draws all figures of the search, by name; empty figures are omitted."""
        from actsearch.visualization.figures import all_figures

        return all_figures(self.record, self.verdict)

    def plot(self, name: str) -> "Figure":
        """Draws one figure of the search.

        Args:
            name: `"differences"`, `"executions"`, `"curves"`, `"pareto"`, `"costs"`, `"health"`, `"sites"`,
                `"importance"` or `"interaction"`.

        Returns:
            The figure.

        Raises:
            UnknownNameError: No figure has that name, or the search has no data for it.
        """
        figures = self.figures()
        if name not in figures:
            raise UnknownNameError("figure", name, figures, f"Search {self.record.name}")
        return figures[name]

    def save_report(self, path: str | Path) -> Path:
        """Writes a report to share: a self-contained HTML page, or markdown.

        Args:
            path: Path of the file, which ends in `.html` or `.md`.

        Returns:
            The path.

        Raises:
            UsageError: The path has a different ending, or cannot be written.
        """
        path = Path(path)
        if path.suffix not in (".html", ".md"):
            raise UsageError(f"{path}: a report must end in .html or .md. Use a path with one of these endings.")
        try:
            path.write_text(self._html() if path.suffix == ".html" else self.report(), "utf-8")
        except OSError as error:
            raise UsageError(f"{path}: cannot be written: {error.strerror}. Use another path.") from error
        return path

    def report(self) -> str:
        """Formats verdict and leaderboard in markdown."""
        return markdown_report(self.record, self.verdict)

    def _html(self) -> str:
        from actsearch.reports.html import html_report

        return html_report(self.record, self.verdict)

    def _trial(self, trial_id: str) -> TrialRecord:
        trial = next((t for t in self.trials if t.trial_id == trial_id), None)
        if trial is None:
            raise UnknownNameError("trial", trial_id, [t.trial_id for t in self.trials])
        return trial

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
        name = self.record.objective.name
        best = f", best {name}: {self.record.best.activation}" if self.record.best else ""
        return f"<SearchResult {self.record.name}: {len(self.trials)} trials{best}, in {self.directory}>"

    def __str__(self) -> str:
        text = text_report(self.record, self.verdict)
        if self.record.best is None:
            return text
        from actsearch.reports.next_step import settling_heading

        settling = f"{settling_heading(self.verdict)}\n  {step}\n\n" if (step := self.how_to_settle) else ""
        return f"{text}\n\n{settling}{textwrap.fill(f'best_model(): {self.describe_model()}.', WIDTH)}"

    def _repr_html_(self) -> str:
        from actsearch.reports.html import search_html

        return search_html(self.record, self.verdict)


def load_result(directory: str | Path, build: "BuildFunction | None" = None) -> SearchResult:
    """Loads the result of an earlier search, even an interrupted one, without TensorFlow.

    Args:
        directory: Directory of the search, which holds its ledger.
        build: Function that builds its models; `best_model` needs it for trials whose model was not saved.

    Returns:
        The result, as the search returned it.

    Raises:
        UsageError: The directory does not hold a search.
        LedgerError: Its ledger is damaged; `actsearch report` shows what is intact.

    Example:

    >>> import actsearch
    >>> result = actsearch.load_result("actsearch-runs/digits")
    >>> result
    <SearchResult relu-elu-sigmoid: 3 trials, best val_accuracy: elu, in actsearch-runs/digits>
    >>> [trial.activation for trial in result.trials]
    ['relu', 'elu', 'sigmoid']
    """
    directory = Path(directory)
    if not (directory / FILE_NAME).is_file():
        raise UsageError(
            f"{directory} does not hold a search: {FILE_NAME} is missing. Give the directory that the search printed, "
            "such as actsearch-runs/20260131-120000-relu_variants."
        )
    return SearchResult(Ledger(directory).read(), directory, build=build)


def failure(search: SearchRecord) -> str:
    """Explains why no execution completed."""
    reasons = dict.fromkeys(e.reason for t in search.trials for e in t.executions if e.reason)
    shown = "\n".join(f"  {reason}" for reason in list(reasons)[:3])
    count = sum(len(t.executions) for t in search.trials)
    return f"None of the {count} executions completed:\n{shown or '  none was started'}"
