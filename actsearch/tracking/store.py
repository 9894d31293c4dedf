"""The MLflow store and experiment that a search is written to."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from actsearch._redact import MASK, mask
from actsearch.config import SearchConfig
from actsearch.errors import UnknownNameError, UsageError

DEFAULT_EXPERIMENT = "actsearch"
CONFIRMATION_NAME = "tracking.json"  # in the directory of a search
SERVERS = ("databricks", "http", "https")
DATABASES = ("mssql", "mysql", "postgresql", "sqlite")
_SQLITE = re.compile(r"(sqlite(?:\+\w+)?)://(?:/([^?]*))?(\?.*)?")
WHICH_MODELS = ("best", "all", "none")
WHICH_CURVES = ("first", "all")
_MODEL_NAME = re.compile(r"[^/:'\"\\]*[^/:'\"\\.\s][^/:'\"\\]*")
_MAGIC = b"SQLite format 3\0"


@dataclass(frozen=True)
class StoreAddress:
    """An MLflow tracking store and the name of an experiment in it.

    `tracking_uri` may contain a password and is passed only to MLflow; `shown` is what is displayed and recorded.
    """

    tracking_uri: str = field(repr=False)
    experiment: str

    @property
    def shown(self) -> str:
        """The tracking URI without its credentials."""
        return mask(self.tracking_uri)

    @property
    def recorded(self) -> dict[str, str]:
        """The address as recorded in the ledger."""
        return {"tracking_uri": self.shown, "experiment": self.experiment}

    @property
    def database(self) -> Path | None:
        """The file of a local SQLite store; None for any other store."""
        match = _SQLITE.fullmatch(self.tracking_uri)
        return Path(match[2]) if match and match[2] else None


@dataclass(frozen=True)
class MLflow:
    """Where and how a search is tracked: the `tracking` argument of `ActivationTuner`.

    Args:
        uri: Tracking URI; MLflow's environment variable if omitted, else `mlflow.db` in the working directory.
        experiment: Name of the experiment; MLflow's environment variable if omitted, else `actsearch`.
        log_models: Which trained models are saved and logged: that of the `best` trial, `all`, or `none`.
        register: Name under which the best model is registered.
        log_curves: Which executions get their learning curves, one point for each epoch: the `first` of each trial, or
            `all`. Every trial has the mean curves of all in any case, and the ledger has all of them.

    Raises:
        UnknownNameError: `log_models` or `log_curves` has another value.
        UsageError: `register` is not a valid model name, or would be ignored.

    Example:

    >>> MLflow(experiment="digits", log_models="none").experiment
    'digits'
    """

    uri: str | None = field(default=None, repr=False)
    experiment: str | None = None
    log_models: str = "best"
    register: str | None = None
    log_curves: str = SearchConfig.log_curves

    def __post_init__(self) -> None:
        if self.log_curves not in WHICH_CURVES:
            raise UnknownNameError("value of log_curves", self.log_curves, WHICH_CURVES)
        if self.log_models not in WHICH_MODELS:
            raise UnknownNameError("value of log_models", self.log_models, WHICH_MODELS)
        if self.register is not None and not _MODEL_NAME.fullmatch(self.register):
            raise UsageError(
                f"{self.register!r} cannot be the name of a registered model. Omit slashes, colons and quotes."
            )
        if self.register is not None and self.log_models == "none":
            raise UsageError(
                f"register={self.register!r} would be ignored: log_models='none' logs no model. Omit one of them."
            )

    @property
    def address(self) -> StoreAddress:
        """The store and the experiment, given the current environment and working directory."""
        return store_address(self.uri, self.experiment)


def store_address(tracking_uri: str | None = None, experiment: str | None = None) -> StoreAddress:
    """Resolves the address of a store: the arguments, else MLflow's environment variables, else `mlflow.db` here.

    Args:
        tracking_uri: Tracking URI; None for the default.
        experiment: Name of the experiment; None for the default.

    Returns:
        The address; a server is not contacted.

    Raises:
        UsageError: The URI cannot be that of a store.
    """
    uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
    name = experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME") or DEFAULT_EXPERIMENT
    if not uri:
        _refuse_legacy_store(Path.cwd())
        uri = f"sqlite:///{Path.cwd() / 'mlflow.db'}"
    _check_scheme(uri)
    sqlite = _SQLITE.fullmatch(uri)
    if sqlite:
        file = _checked_file(uri, sqlite[2] or ":memory:")
        uri = f"{sqlite[1]}:///{file}{sqlite[3] or ''}"
    return StoreAddress(uri, name)


def recorded_address(
    recorded: Mapping[str, Any], tracking_uri: str | None = None, experiment: str | None = None
) -> StoreAddress:
    """Resolves the address of the store that a search was written to, unless another is given.

    Args:
        recorded: Environment of the search, from the ledger.
        tracking_uri, experiment: Another store, another experiment.

    Returns:
        The address.

    Raises:
        UsageError: The recorded address lacks its password, and MLFLOW_TRACKING_URI does not have it.
    """
    uri = tracking_uri or recorded.get("tracking_uri")
    if not tracking_uri and uri and MASK in uri:
        with_password = os.environ.get("MLFLOW_TRACKING_URI", "")
        if mask(with_password) != uri:
            raise UsageError(
                f"The search was written to {uri}, but its password was not stored. Give the whole address with "
                "--tracking-uri or MLFLOW_TRACKING_URI."
            )
        uri = with_password
    return store_address(uri, experiment or recorded.get("experiment"))


def _check_scheme(uri: str) -> None:
    scheme = urlsplit(uri).scheme if ":" in uri else ""
    name = scheme.partition("+")[0] or (uri if uri in SERVERS else "file")
    if name == "file":
        raise UsageError(
            f"The tracking URI {uri!r} is a folder, but MLflow no longer writes its file store. Use a database such as "
            "sqlite:///mlflow.db or a server such as http://127.0.0.1:5000; `mlflow migrate-filestore` moves old runs."
        )
    if name not in (*SERVERS, *DATABASES):
        plugins = [plugin.name for plugin in entry_points(group="mlflow.tracking_store")]
        if name not in plugins:
            raise UnknownNameError("scheme", name, [*SERVERS, *DATABASES, *plugins], f"Tracking URI {mask(uri)!r}")
    if name in ("http", "https") and not re.match(r"https?://[^/]", uri, re.I):
        raise UsageError(f"The tracking URI {mask(uri)!r} does not name a server. Write it as http://127.0.0.1:5000.")


def _checked_file(uri: str, name: str) -> Path:
    """Returns the absolute path of an SQLite file, after checking that it is a database or can become one."""
    file = Path(name).absolute()
    wrong = None
    if ":memory:" in name:
        wrong = "is in memory, where no other process can read it"
    elif file.is_dir():
        wrong = "is a folder; name a file in it"
    elif not file.parent.is_dir():
        wrong = f"cannot be created: the folder {file.parent} does not exist"
    elif not os.access(file if file.exists() else file.parent, os.R_OK | os.W_OK):
        wrong = "cannot be written by this user"
    elif file.exists() and file.stat().st_size and not _begins_with(file, _MAGIC):
        wrong = "is not an SQLite database"
    if wrong:
        raise UsageError(f"The MLflow store {uri} {wrong}. Use another one: --tracking-uri sqlite:///mlflow.db.")
    return file


def _begins_with(file: Path, magic: bytes) -> bool:
    with file.open("rb") as stream:
        return stream.read(len(magic)) == magic


def _refuse_legacy_store(folder: Path) -> None:
    if (folder / "mlflow.db").exists():
        return
    for file in sorted((folder / "mlruns").glob("*/meta.yaml")):
        if file.parent.name.isdigit():
            raise UsageError(
                f"{folder / 'mlruns'} is a legacy file store, which MLflow no longer writes. Move its runs with "
                "`mlflow migrate-filestore`, or use another store: --tracking-uri sqlite:///actsearch.db."
            )


MODELS_FOLDER = "models"
MODEL_ID = "actsearch.model_id"  # the tag of a run whose model is logged


def saved_models(directory: Path) -> set[Path]:
    """Returns the files of the models that a search saved."""
    return set((directory / MODELS_FOLDER).glob("*.keras"))


def model_file(directory: Path, trial_id: str) -> Path:
    """Returns the file of a trial's model; the trial's id is quoted, so it is always a single file name."""
    return directory / MODELS_FOLDER / f"{quote(trial_id, safe='')}.keras"


def example_file(model: Path) -> Path:
    """Returns the file with a row of the data, `x`, and the model's prediction for it, `y`.

    A model with several inputs or outputs has `x:NAME` and `y:NAME` instead.
    """
    return model.with_suffix(".npz")
