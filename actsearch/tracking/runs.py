"""The runs of one search in an MLflow experiment: found by the tags that name them, or made; written in batches."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

from actsearch._locks import creation_lock
from actsearch.errors import TrackingError, summarize
from actsearch.tracking.metrics import key as name_for_mlflow
from actsearch.tracking.metrics import milliseconds
from actsearch.tracking.models import is_permanent, log_model, register_model
from actsearch.tracking.store import MODEL_ID, StoreAddress

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mlflow.entities import Run as MLflowRun

Key = tuple[str, ...]
LEVEL, SEARCH_ID, TRIAL_ID, EXECUTION = (f"actsearch.{n}" for n in ("level", "search_id", "trial_id", "execution"))
PARENT = "mlflow.parentRunId"
_METRICS_A_BATCH = 800  # of 1000 entries of all kinds
_OTHERS_A_BATCH = 100


@dataclass
class Run:
    """What is known of a run in MLflow."""

    run_id: str
    status: str
    ended_at: int | None
    params: dict[str, str]
    tags: dict[str, str]

    @property
    def is_over(self) -> bool:
        """Whether it was ended and not opened again."""
        return self.status != "RUNNING"


class Runs:
    """Finds, makes, writes and ends the runs of a search.

    Args:
        client: Connected to the store.
        experiment_id: The experiment that holds the runs.
        search_id: The search's own id.
        written: Called after everything that MLflow took.
    """

    def __init__(self, client: MlflowClient, experiment_id: str, search_id: str, written: Callable[[], None]) -> None:
        self._client = client
        self._experiment_id = experiment_id
        self._search_id = search_id
        self._written = written
        self._runs: dict[Key, Run] = {}
        self.find()

    def __getitem__(self, key: Key) -> Run:
        return self._runs[key]

    @property
    def ids(self) -> dict[Key, str]:
        """The ids of all runs."""
        return {key: run.run_id for key, run in self._runs.items()}

    def find(self) -> None:
        """Looks up what MLflow has; of two runs of one name, that which is empty is deleted.

        A second one is made where MLflow made a run and its answer was lost.
        """
        known = {run.run_id for run in self._runs.values()}
        found: dict[Key, list[Run]] = {}
        for run in self._pages():
            found.setdefault(_key_of(run.tags), []).append(run)
        for key, same in found.items():
            same.sort(key=lambda run: (run.run_id not in known, not run.params, run.run_id))
            for double in same[1:]:
                self._client.delete_run(double.run_id)
            self._runs[key] = same[0]

    def find_or_make(self, key: Key, name: str, at: float, tags: Mapping[str, str | None]) -> Run:
        """The run of that key, with at least the tags that name it."""
        if key not in self._runs:
            own = dict(zip((LEVEL, TRIAL_ID, EXECUTION), key, strict=False))
            own |= {SEARCH_ID: self._search_id, "mlflow.source.name": "actsearch", "mlflow.source.type": "LOCAL"}
            known = {tag: _tag(value) for tag, value in {**own, **tags}.items() if value}
            start = milliseconds(at)
            created = self._client.create_run(self._experiment_id, start, known, run_name=name[:250])
            self._runs[key] = _run(created)
            self._written()
        return self._runs[key]

    def log(
        self,
        run: Run,
        *,
        params: Mapping[str, Any] | None = None,
        metrics: Sequence[Metric] = (),
        tags: Mapping[str, str | None] | None = None,
    ) -> None:
        """Writes what the run lacks of these; a tag of None is taken away."""
        given = {tag: _tag(value) for tag, value in (tags or {}).items() if value}
        fresh = {name: value for name, value in given.items() if run.tags.get(name) != value}
        named = {
            name_for_mlflow(name): str(value)[:6000] for name, value in (params or {}).items() if value is not None
        }
        lacking = {name: value for name, value in named.items() if name not in run.params}
        batches = (
            _chunks(metrics, _METRICS_A_BATCH),
            _chunks([Param(*item) for item in lacking.items()], _OTHERS_A_BATCH),
            _chunks([RunTag(*item) for item in fresh.items()], _OTHERS_A_BATCH),
        )
        while any(batches):
            points, entries, labels = (some.pop(0) if some else [] for some in batches)
            self._client.log_batch(run.run_id, points, entries, labels)
            self._written()
        run.params |= lacking
        run.tags |= fresh
        for stale in run.tags.keys() & (tags or {}).keys() - given.keys():
            self._client.delete_tag(run.run_id, stale)
            del run.tags[stale]

    def end(self, run: Run, status: str, at: float) -> None:
        """Ends a run; one that has this end already is left alone."""
        if (run.status, run.ended_at) != (status, milliseconds(at)):
            self._client.set_terminated(run.run_id, status, milliseconds(at))
            run.status, run.ended_at = status, milliseconds(at)
            self._written()

    def reopen(self, run: Run) -> None:
        """Opens a run again whose search is resumed."""
        if run.is_over:
            self._client.update_run(run.run_id, "RUNNING")
            run.status = "RUNNING"

    def write_figure(self, run: Run, figure: "Figure", path: str) -> None:
        """Puts a picture among the run's files."""
        self._client.log_figure(run.run_id, figure, path)
        self._written()

    def write_text(self, run: Run, text: str, path: str) -> None:
        """Puts a text among the run's files."""
        self._client.log_text(run.run_id, text, path)
        self._written()

    def log_model(self, run: Run, file: Path, name: str, execution: int, register: str | None = None) -> None:
        """Logs a saved model with the weights of an execution, once; registers it under a name, where one is given.

        What the store refuses for good becomes a tag of the run: no search is left open for a model.
        """
        problem = None
        with self._working():
            try:
                model_id = log_model(self._client, self._experiment_id, run.run_id, file, name, execution)
                if register:
                    register_model(self._client, register, model_id, run.run_id)
                self.log(run, tags={MODEL_ID: model_id})
            except Exception as error:
                if not is_permanent(error):
                    raise
                problem = summarize(error)
        self.log(run, tags={"actsearch.model_problem": problem})

    @contextmanager
    def _working(self) -> Iterator[None]:
        """Reports every second that work is under way, while a single call takes long."""
        done = Event()

        def say() -> None:
            while not done.wait(1.0):
                self._written()

        speaker = Thread(target=say, daemon=True)
        speaker.start()
        try:
            yield
        finally:
            done.set()
            speaker.join()

    def path(self, *key: str) -> str:
        """What follows the address of the server in the link to a run."""
        return f"#/experiments/{self._experiment_id}/runs/{self._runs[key].run_id}"

    def _pages(self) -> Iterator[Run]:
        token: str | None = None
        wanted = f"tags.`{SEARCH_ID}` = '{self._search_id}'"
        while True:
            page = self._client.search_runs([self._experiment_id], wanted, max_results=1000, page_token=token)
            yield from map(_run, page)
            token = page.token
            if not token:
                return


def _run(run: "MLflowRun") -> Run:
    return Run(run.info.run_id, run.info.status, run.info.end_time, dict(run.data.params), dict(run.data.tags))


def _key_of(tags: Mapping[str, str]) -> Key:
    named = (tags[LEVEL], tags.get(TRIAL_ID), tags.get(EXECUTION))
    return tuple(part for part in named if part)


def _tag(value: str) -> str:
    return value[:8000]


def _chunks(items: Sequence[Any], size: int) -> list[list[Any]]:
    return [list(items[start : start + size]) for start in range(0, len(items), size)]


def open_store(address: StoreAddress) -> tuple[MlflowClient, str]:
    """A client of the store, and the id of its experiment, which is made where it is not there.

    Raises:
        TrackingError: The experiment was deleted.
    """
    with creation_lock(address.database):
        client = MlflowClient(tracking_uri=address.tracking_uri)
        return client, open_experiment(client, address)


def open_experiment(client: MlflowClient, address: StoreAddress) -> str:
    """The experiment's id; it is made where it is not there, with its artifacts beside a local database."""
    found = client.get_experiment_by_name(address.experiment)
    if found is not None and found.lifecycle_stage == "deleted":
        raise TrackingError(
            f"the experiment {address.experiment!r} was deleted in MLflow; restore it, or give another --experiment"
        )
    if found is not None:
        return found.experiment_id
    folder = re.sub(r"\W+", "-", address.experiment)
    artifacts = (address.database.parent / "mlruns" / folder).as_uri() if address.database else None
    tags = {"mlflow.experimentKind": "custom_model_development"}
    return client.create_experiment(address.experiment, artifact_location=artifacts, tags=tags)
