"""The state of a search: its trials so far, each fact written as it becomes known, and how a search resumes.

Resuming trusts nothing but the ledger. The search runs again from its start with the same seed, and executions that are
in the ledger are read instead of trained. Oracle and allocation receive the same scores in the same order, so they
reach the state they were in, and propose what they would have proposed.
"""

import math
import shlex
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from actsearch.analysis.comparison import SampleSource, judged_scores, no_samples
from actsearch.analysis.race import RaceTest
from actsearch.analysis.results import Decision
from actsearch.analysis.schedule import includes, last_execution_of, num_ended, number_of, planned_executions
from actsearch.config import SearchConfig
from actsearch.errors import UnknownNameError, UsageError, shorten
from actsearch.ledger import FILE_NAME, End, Kind, Ledger, assemble, parse
from actsearch.ledger.samples import StoredSamples, read_samples, write_samples
from actsearch.records import CostMeasurement, ExecutionRecord, Extension, Objective, SearchRecord, TrialRecord
from actsearch.tracking.store import StoreAddress, saved_models
from actsearch.tracking.sync_process import SyncProcess
from actsearch.training.execution import Trained
from actsearch.tuning.storage import save_weights

_LONGEST_VALUE = 120  # characters
_MAY_DIFFER = {"time_budget"}  # each run of a search has its own


def check_same_search(before: SearchRecord, now: SearchRecord, where: str) -> None:
    """Raises a UsageError that lists how the search in a directory differs from the requested one."""
    differences = [
        f"  {name}: {shorten(repr(old), _LONGEST_VALUE)} there, {shorten(repr(new), _LONGEST_VALUE)} now"
        for name, old, new in _compared(before, now)
        if _as_in_json(old) != _as_in_json(new)
    ]
    if differences:
        raise UsageError(
            f"{where} holds a search that differs from this one:\n"
            + "\n".join(differences)
            + "\nRequest the same search to resume it, use another --directory, or delete it with --overwrite."
        )


def changed_versions(before: SearchRecord, now: SearchRecord) -> list[str]:
    """Lists the packages whose versions changed since the search started: numbers may differ from then on."""
    old, new = (record.environment.get("packages", {}) for record in (before, now))
    return [f"{name} {old[name]} then, {new[name]} now" for name in old if old[name] != new.get(name)]


def check_same_trial(before: TrialRecord, hyperparameters: Mapping[str, Any]) -> None:
    """Raises a UsageError if an oracle proposes a different trial than in the earlier run."""
    if _as_in_json(before.hyperparameters) != _as_in_json(hyperparameters):
        raise UsageError(
            f"The oracle proposes {dict(hyperparameters)} for trial {before.trial_id}, but earlier it proposed "
            f"{dict(before.hyperparameters)}: this search cannot be resumed. Give your own oracle a seed, and use a "
            "build function that asks for the same hyperparameters each time."
        )


def _compared(before: SearchRecord, now: SearchRecord) -> list[tuple[str, Any, Any]]:
    rows = [(name, getattr(before, name), getattr(now, name)) for name in ("name", "baseline")]
    goals = [f"{search.objective.name} ({search.objective.direction})" for search in (before, now)]
    rows.append(("objective", goals[0], goals[1]))
    rows.append(("space", before.space, now.space))
    old, new = before.config.plain(), now.config.plain()
    rows += [(n, old.get(n), new.get(n)) for n in sorted({*old, *new} - _MAY_DIFFER)]
    described = sorted(before.data)  # what a later version adds to the description is no difference
    rows += [(f"data.{n}", before.data[n], now.data.get(n)) for n in described]
    return [*rows, ("model", before.model, now.model), ("weights", before.weights, now.weights)]


def _as_in_json(value: Any) -> Any:
    """Converts a value to what JSON would return, so that mappings and sequences compare by their content."""
    if isinstance(value, Mapping):
        return {str(name): _as_in_json(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_as_in_json(part) for part in value]
    return value


def messages_on(before: SearchRecord, now: SearchRecord, extension: Extension | None, directory: Path) -> list[str]:
    """Checks that a search to resume is the requested one; returns what the user is to know of its earlier run.

    Args:
        before, now: The search as its last run left it, and as it is requested.
        extension: What it is extended by.
        directory: Directory of the search.

    Raises:
        UsageError: It is another search.
    """
    check_same_search(before, replace(now, config=_as_before(now.config, before, extension)), str(directory))
    messages, num_recorded = [], sum(len(trial.executions) for trial in before.trials)
    if num_recorded:
        messages.append(f"resuming after {num_recorded} executions that are in the ledger")
    if versions := changed_versions(before, now):
        messages.append(f"versions have changed since the search started, so numbers may differ: {', '.join(versions)}")
    return messages


def extension_of(
    before: SearchRecord, now: SearchConfig, only: Sequence[str], samples: SampleSource = no_samples
) -> Extension | None:
    """Returns what a search is extended by; None if the same is requested as before.

    Args:
        before: The search as its last run left it.
        now: The requested numbers.
        only: Labels of the activations that get more executions; empty for all.
        samples: Its sample scores.

    Raises:
        UsageError: The search cannot be extended like that.
        UnknownNameError: An activation is not in the search.
    """
    known = dict.fromkeys(trial.activation for trial in before.trials)
    for label in only:
        if known and label not in known:
            raise UnknownNameError("activation", label, known, "The search")
    if only and set(only) <= {before.baseline}:
        raise UsageError(
            f"only names just the baseline, {before.baseline}, which gets as many executions as the others anyway. "
            "Name the activations to compare with it, or omit it."
        )
    last = before.extensions[-1] if before.extensions else None
    old = (before.allocation, *number_of(before), last.only if last else ())
    new = (now.allocation, now.executions, now.max_executions, tuple(only))
    if new == old:
        return None
    judged = judged_scores(before, samples)
    extension = Extension(time.time(), len(judged.executions), *new)
    _check_grows(before, extension, judged.race)
    return extension


def _as_before(now: SearchConfig, before: SearchRecord, extension: Extension | None) -> SearchConfig:
    """Returns the requested numbers with those of the original search in place of what only extensions change."""
    if extension is None and not before.extensions:
        return now
    names = ("allocation", "executions", "max_executions")
    return SearchConfig(**{**vars(now), **{name: getattr(before.config, name) for name in names}})


def _check_grows(before: SearchRecord, extension: Extension, race: RaceTest | None) -> None:
    """Refuses what is no extension: fewer executions, or another allocation than a race."""
    kinds = (before.allocation, extension.allocation)
    wanted = extension.executions or extension.max_executions or 0
    named = [t for t in before.trials if not t.skipped and includes(extension, t, before.baseline)]
    others = [t for t in named if t.activation != before.baseline] or named
    becomes_race = kinds == ("fixed", "race")
    possible = wanted > extension.after if becomes_race else kinds in (("fixed", "fixed"), ("race", "race"))

    def grows(trial: TrialRecord) -> bool:
        planned = 0 if becomes_race else planned_executions(before, trial)
        over = race is not None and race.ending(trial.trial_id) is not None
        return num_ended(trial) < wanted >= planned + over

    if possible and (not others or any(map(grows, others))):
        return
    planned = min((planned_executions(before, t) for t in others), default=0.0)
    most = "at most " if before.allocation == "race" else ""
    had = f"{most}{planned:.0f} executions" if planned < math.inf else "its own number of executions"
    which = ", ".join(dict.fromkeys(t.activation for t in others)) if extension.only else "each trial"
    asked = f"{wanted} executions" if extension.executions else f"at most {wanted} executions"
    raise UsageError(
        f"The search has {had} of {which} ({before.allocation}), but {asked} ({extension.allocation}) are requested. A "
        "search can be extended to more executions, and a fixed one to a race, which goes beyond the executions that "
        "there are; otherwise request the same, use another --directory, or delete it with --overwrite."
    )


class SearchState:
    """The trials of a search so far; new facts go to the ledger, from which MLflow is written.

    The facts of an earlier run of the same search are read once, on construction. Training never waits for MLflow, and
    no search fails because of it: what MLflow lacks is uploaded later, by `actsearch sync`.

    Args:
        directory: Directory of the search.
        search: First record of the ledger of a new search.
        store: MLflow store and experiment; None for no tracking.
        message: Called with messages about MLflow for the user, also from another thread.

    Attributes:
        earlier: The search as an earlier run in this directory left it; None for a new one.
        trials: Trials of this run so far, by id.
        mlflow: Tracking URI, experiment and runs, once the search has ended; empty without tracking.

    Raises:
        LedgerError: The ledger of an earlier run cannot be read.
    """

    def __init__(
        self,
        directory: Path,
        search: SearchRecord,
        *,
        store: StoreAddress | None = None,
        message: Callable[[str], None] | None = None,
    ) -> None:
        self._directory = directory
        self._search = search
        self._store = store
        self._message = message
        facts = Ledger(directory).facts() if (directory / FILE_NAME).exists() else []
        self._last_fact = facts[-1] if facts else None
        self._written = {(fact.kind, fact.key) for fact in facts}
        self.earlier = assemble(facts) if facts else None
        self._recorded = {(e.trial_id, e.execution): e for t in self.earlier_trials.values() for e in t.executions}
        self._known = set(self.earlier_trials)
        self._best: dict[str, dict[int, float]] = {}
        self._num_decisions = 0
        self._planned = self.earlier or search
        self.trials: dict[str, TrialRecord] = {}
        self.mlflow: dict[str, Any] = {} if store is None else {"tracking_uri": store.shown}

    @cached_property
    def earlier_trials(self) -> dict[str, TrialRecord]:
        """The trials that an earlier run wrote, by id."""
        return {trial.trial_id: trial for trial in self.earlier.trials} if self.earlier else {}

    @property
    def num_recorded(self) -> int:
        """Number of executions of earlier runs."""
        return len(self._recorded)

    @property
    def num_started(self) -> int:
        """Number of trials whose first execution was trained in an earlier run."""
        return sum(execution == 1 for _, execution in self._recorded)

    @contextmanager
    def open(self) -> Iterator[Ledger]:
        """Opens the ledger and starts writing to MLflow; records the end of the search, however it ends.

        Raises:
            LedgerError: The ledger cannot be written.
        """
        self._ledger = self._opened_ledger()
        process = None if self._store is None else SyncProcess(self._directory, self._store, message=self._message)
        how, reason, models = "failed", None, saved_models(self._directory)
        try:
            yield self._ledger
            how = "completed"
        except KeyboardInterrupt:
            how, reason = "interrupted", "interrupted from the keyboard"
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise
        finally:
            try:
                if how != "completed" or self._has_news(models):
                    self._ledger.append_end(End(time.time(), how, reason))
            finally:
                if process is not None:
                    self._finish(process)

    def _has_news(self, models: set[Path]) -> bool:
        """Returns whether there is anything since an earlier run completed the search, whose models are given."""
        last = self._last_fact
        if last is None or last.kind is not Kind.END or parse(last, End).how != "completed":
            return True
        return bool(self._ledger.facts(after=last.number)) or saved_models(self._directory) != models

    def extension(self, now: SearchConfig, only: Sequence[str]) -> Extension | None:
        """Returns what an earlier search in this directory is extended by; None if it is not, or if there is none.

        Args:
            now: The requested numbers.
            only: Labels of the activations that get more executions; empty for all.

        Raises:
            UsageError: The search cannot be extended like that.
        """
        if self.earlier is not None:
            return extension_of(self.earlier, now, only, StoredSamples(self._directory))
        if only:
            raise UsageError(
                f"only={list(only)} would be ignored: it extends a search, but {self._directory} holds none. Omit it, "
                "or give the directory of a search."
            )
        return None

    def extend(self, extension: Extension | None) -> None:
        """Records that the search gets more executions, and which trials do."""
        if extension is not None:
            earlier = self._planned.extensions
            self._ledger.append(Kind.EXTENSION, str(1 + len(earlier)), extension)
            self._planned = replace(self._planned, extensions=(*earlier, extension))

    def last_execution_of(self, trial: TrialRecord) -> int | None:
        """Returns the number of the last execution of a trial, if the search was extended for others only."""
        last = last_execution_of(self._planned, self.earlier_trials.get(trial.trial_id, trial))
        return None if math.isinf(last) else int(last)

    def num_left(self, num_trials: int, executions: int) -> int:
        """Counts the executions that are left to train, of so many trials and so many executions each."""
        known = [trial for trial in self.earlier_trials.values() if not trial.skipped]
        left = max(num_trials - len(known), 0) * executions
        for trial in known:
            last = self.last_execution_of(trial)
            wanted = executions if last is None else min(last, executions)
            left += wanted - sum(e.execution <= wanted for e in trial.executions)
        return left

    def read(self) -> SearchRecord:
        """Reads the whole search from the ledger."""
        return self._ledger.read()

    def recorded(self, trial_id: str, execution: int) -> ExecutionRecord | None:
        """Returns the execution recorded by an earlier run; None if it is still to be trained."""
        return self._recorded.get((trial_id, execution))

    def trained(self, record: ExecutionRecord, *, with_samples: bool) -> Trained:
        """Returns an execution of an earlier run as if it had just been trained, without its weights."""
        if not with_samples:
            return Trained(record)
        return Trained(record, samples=read_samples(self._directory, record.trial_id, record.execution))

    def add_trial(self, trial: TrialRecord) -> None:
        """Records a proposed trial."""
        self.trials[trial.trial_id] = replace(trial, executions=())
        if trial.trial_id not in self._known:
            self._ledger.append_trial(trial)

    def add_execution(self, trained: Trained) -> TrialRecord:
        """Records an execution that ended; returns its trial with this execution.

        Weights and sample scores are written first: if the process ends in between, the execution is trained again.
        """
        record = trained.record
        if record.score is not None and self._is_best(record, record.score):
            self._best[record.trial_id] = {record.execution: record.score}
            if trained.weights is not None:
                save_weights(self._directory, record.trial_id, trained.weights)
        if self.recorded(record.trial_id, record.execution) is None:
            write_samples(self._directory, record.trial_id, record.execution, trained.samples)
            self._ledger.append_execution(record)
        trial = self.trials[record.trial_id]
        executions = sorted([*trial.executions, record], key=lambda e: e.execution)
        self.trials[record.trial_id] = replace(trial, executions=tuple(executions))
        return self.trials[record.trial_id]

    def add_measurement(self, measurement: CostMeasurement | None) -> None:
        """Records a measurement of costs, unless all executions are those of earlier runs."""
        if measurement is not None and sum(len(t.executions) for t in self.trials.values()) > self.num_recorded:
            self._ledger.append_measurement(measurement)

    def add_decisions(self, decisions: Iterable[Decision]) -> None:
        """Records the new ones among all decisions of the allocation so far."""
        for decision in list(decisions)[self._num_decisions :]:
            self._num_decisions += 1
            if (Kind.DECISION, str(self._num_decisions)) not in self._written:
                self._ledger.append(Kind.DECISION, str(self._num_decisions), decision)

    def _opened_ledger(self) -> Ledger:
        if self.earlier is not None:
            return Ledger(self._directory)
        ledger = Ledger(self._directory, create=True)
        where = self._store.recorded if self._store else {}
        ledger.append_search(replace(self._search, environment={**self._search.environment, **where}))
        return ledger

    def _finish(self, process: SyncProcess) -> None:
        self.mlflow |= process.finish()
        if "problem" in self.mlflow and self._message:
            problem = self.mlflow["problem"]
            again = shlex.join(["actsearch", "sync", str(self._directory)])
            self._message(f"MLflow is missing data: {problem}. `{again}` uploads the rest.")

    @property
    def _objective(self) -> Objective:
        return self._search.objective

    def _is_best(self, record: ExecutionRecord, score: float) -> bool:
        """Returns whether an execution is its trial's best so far; of equal scores, the lowest number wins.

        The result must not depend on the order in which executions end.
        """
        both = self._best.get(record.trial_id, {}) | {record.execution: score}
        return bool(self._objective.best(dict(sorted(both.items()))) == record.execution)
