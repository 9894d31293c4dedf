"""The runs of one search in an MLflow experiment: found by their tags or created, and written in batches."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from mlflow import MlflowClient
from mlflow.entities import DatasetInput, LoggedModelOutput, Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from actsearch._locks import creation_lock
from actsearch.errors import TrackingError, summarize
from actsearch.tracking.drawing import save_png
from actsearch.tracking.fresh_store import opened
from actsearch.tracking.metrics import key as name_for_mlflow
from actsearch.tracking.metrics import milliseconds
from actsearch.tracking.models import is_permanent, log_model, register_model
from actsearch.tracking.store import MODEL_ID, StoreAddress

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mlflow.entities import Run as MLflowRun

Key = tuple[str, ...]
LEVEL, SEARCH_ID, TRIAL_ID, EXECUTION = (f"actsearch.{n}" for n in ("level", "search_id", "trial_id", "execution"))
_PROBLEM = "actsearch.model_problem"
PARENT, NAME, NOTE = "mlflow.parentRunId", "mlflow.runName", "mlflow.note.content"
_METRICS_A_BATCH = 800  # of 1000 entries of all kinds
_OTHERS_A_BATCH = 100


@dataclass
class Run:
    """The state of a run in MLflow."""

    run_id: str
    status: str
    ended_at: int | None
    params: dict[str, str]
    tags: dict[str, str]

    @property
    def is_over(self) -> bool:
        """Whether it was ended and not reopened."""
        return self.status != "RUNNING"


class Runs:
    """Finds, creates, writes and ends the runs of a search.

    Args:
        client: Client of the store.
        experiment_id: Id of the experiment that holds the runs.
        search_id: Id of the search.
        written: Called whenever MLflow accepted something.
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
    def experiment_id(self) -> str:
        """Id of the experiment that holds the runs."""
        return self._experiment_id

    @property
    def ids(self) -> dict[Key, str]:
        """Ids of all runs by key."""
        return {key: run.run_id for key, run in self._runs.items()}

    def find(self) -> None:
        """Looks up the runs that MLflow has; of duplicates, the empty one is deleted.

        A duplicate arises if MLflow created a run but its answer was lost.
        """
        earlier = {run.run_id for run in self._runs.values()}
        by_key: dict[Key, list[Run]] = {}
        for run in self._pages():
            by_key.setdefault(_key_of(run.tags), []).append(run)
        for key, same in by_key.items():
            same.sort(key=lambda run: (run.run_id not in earlier, not run.params, run.run_id))
            for duplicate in same[1:]:
                self._client.delete_run(duplicate.run_id)
            self._runs[key] = same[0]

    def find_or_make(self, key: Key, name: str, at: float, tags: Mapping[str, str | None]) -> Run:
        """Returns the run with this key; creates it if missing, with the tags that identify it."""
        if key not in self._runs:
            own = dict(zip((LEVEL, TRIAL_ID, EXECUTION), key, strict=False))
            own |= {SEARCH_ID: self._search_id, "mlflow.source.name": "actsearch", "mlflow.source.type": "LOCAL"}
            labels = {tag: _tag(value) for tag, value in {**own, **tags}.items() if value}
            start = milliseconds(at)
            created = self._client.create_run(self._experiment_id, start, labels, run_name=name[:250])
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
        """Writes whatever the run lacks; a tag with the value None is removed."""
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
        """Ends a run, unless it already ended with this status and time."""
        if (run.status, run.ended_at) != (status, milliseconds(at)):
            self._client.set_terminated(run.run_id, status, milliseconds(at))
            run.status, run.ended_at = status, milliseconds(at)
            self._written()

    def reopen(self, run: Run, name: str | None = None) -> None:
        """Reopens a run, if its search is resumed, under another name if one is given."""
        if run.is_over:
            self._client.update_run(run.run_id, "RUNNING", name)
            run.status = "RUNNING"
            run.tags |= {NAME: name} if name else {}

    def write_figure(self, run: Run, figure: "Figure", path: str) -> None:
        """Writes a figure to the run's artifacts."""
        folder, _, name = path.rpartition("/")
        with TemporaryDirectory() as temporary:
            file = Path(temporary) / name
            save_png(figure, file)
            self._client.log_artifact(run.run_id, str(file), folder or None)
        self._written()

    def write_files(self, run: Run, folder: Path, path: str) -> None:
        """Writes the files in a folder to the run's artifacts."""
        if any(folder.iterdir()):
            self._client.log_artifacts(run.run_id, str(folder), path)
            self._written()

    def write_text(self, run: Run, text: str, path: str) -> None:
        """Writes a text to the run's artifacts."""
        self._client.log_text(run.run_id, text, path)
        self._written()

    def log_model(self, run: Run, file: Path, name: str, execution: int, register: str | None = None) -> None:
        """Logs a saved model with the weights of an execution, once; registers it if a name is given.

        A permanent error of the store becomes a tag of the run, so that a model never keeps a search from ending.
        """
        problem = None
        with self.working():
            try:
                model_id = log_model(self._client, self._experiment_id, run.run_id, file, name, execution)
                if register:
                    register_model(self._client, register, model_id, run.run_id)
                self.log(run, tags={MODEL_ID: model_id})
            except Exception as error:
                if not is_permanent(error):
                    raise
                problem = summarize(error)
        self.log(run, tags={_PROBLEM: problem})

    def log_data(self, run: Run, data_sets: Sequence[DatasetInput]) -> None:
        """Names the data that a run used."""
        if data_sets:
            with self.optional("its data"):
                self._client.log_inputs(run.run_id, list(data_sets))
                self._written()

    def link_model(self, run: Run, model_id: str) -> None:
        """Shows the model of another run on this one's page, once."""
        if run.tags.get(MODEL_ID) != model_id:
            with self.optional("its best model"):
                self._client.log_outputs(run.run_id, [LoggedModelOutput(model_id, step=0)])
                self.log(run, tags={MODEL_ID: model_id})

    def list_searches(self, write: Callable[[str, "list[MLflowRun]"], str], most: int) -> None:
        """Writes the note of the experiment from its latest searches.

        They are looked up in the store, so that of two that end together the later one lists both.

        Args:
            write: Called with the note so far and the runs of these searches; returns the note.
            most: Maximum number of searches.
        """
        with self.optional("the list of searches"):
            before = self._client.get_experiment(self._experiment_id).tags.get(NOTE, "")
            order = ["attributes.start_time DESC"]
            wanted = f"tags.`{LEVEL}` = 'search'"
            found = self._client.search_runs([self._experiment_id], wanted, max_results=most, order_by=order)
            if (note := write(before, list(found))) != before:
                self._client.set_experiment_tag(self._experiment_id, NOTE, note)
                self._written()

    @contextmanager
    def optional(self, part: str) -> Iterator[None]:
        """Continues without a part of a page that the store refuses for good, after a line in the log.

        Args:
            part: The part, in words.
        """
        try:
            yield
        except MlflowException as error:
            if not is_permanent(error):
                raise
            print(f"Warning: the page of the search lacks {part}, which this MLflow refuses: {summarize(error)}")

    @property
    def lack_a_model(self) -> bool:
        """Whether the store refused a model, which may be allowed by now."""
        return any(_PROBLEM in run.tags for run in self._runs.values())

    @contextmanager
    def working(self) -> Iterator[None]:
        """Calls `written` every second in a `with` block, while a single call may take long."""
        done = Event()

        def report() -> None:
            while not done.wait(1.0):
                self._written()

        reporter = Thread(target=report, daemon=True)
        reporter.start()
        try:
            yield
        finally:
            done.set()
            reporter.join()

    def _pages(self) -> Iterator[Run]:
        token: str | None = None
        wanted = f"tags.`{SEARCH_ID}` = '{self._search_id}'"
        while True:
            page = self._client.search_runs([self._experiment_id], wanted, max_results=1000, page_token=token)
            yield from map(_run, page)
            self._written()
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
    """Opens a store.

    Args:
        address: Address of the store and name of the experiment, which is created if missing.

    Returns:
        A client of the store, and the id of the experiment.

    Raises:
        TrackingError: The experiment was deleted.
    """
    with creation_lock(address.database):
        client = opened(address.tracking_uri, address.database)
        return client, open_experiment(client, address)


def open_experiment(client: MlflowClient, address: StoreAddress) -> str:
    """Returns the id of the experiment; creates it if missing, with its artifacts next to a local database."""
    existing = client.get_experiment_by_name(address.experiment)
    if existing is not None and existing.lifecycle_stage == "deleted":
        raise TrackingError(
            f"the experiment {address.experiment!r} was deleted in MLflow; restore it, or use another --experiment"
        )
    if existing is not None:
        return existing.experiment_id
    folder = re.sub(r"\W+", "-", address.experiment)
    artifacts = (address.database.parent / "mlruns" / folder).as_uri() if address.database else None
    tags = {"mlflow.experimentKind": "custom_model_development"}
    return client.create_experiment(address.experiment, artifact_location=artifacts, tags=tags)
