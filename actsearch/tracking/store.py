"""Which MLflow store and experiment a search is drawn into."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from actsearch.errors import UsageError

DEFAULT_EXPERIMENT = "actsearch"


@dataclass(frozen=True)
class StoreAddress:
    """An MLflow tracking store and the name of an experiment in it."""

    tracking_uri: str
    experiment: str

    @property
    def database(self) -> Path | None:
        """The file of a local SQLite store; None for any other."""
        found = re.fullmatch(r"sqlite:///(.+)", self.tracking_uri)
        return Path(found[1]) if found else None


def store_address(tracking_uri: str | None = None, experiment: str | None = None) -> StoreAddress:
    """What was asked for, else MLflow's own environment variables, else `mlflow.db` in the working directory.

    Raises:
        UsageError: The store would be the legacy file store, which MLflow no longer writes.
    """
    uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
    name = experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME") or DEFAULT_EXPERIMENT
    if not uri:
        _refuse_legacy_store(Path.cwd())
        uri = f"sqlite:///{Path.cwd() / 'mlflow.db'}"
    elif "://" not in uri or uri.startswith("file:"):
        raise UsageError(
            f"The tracking URI {uri!r} is a folder: MLflow no longer writes its file store. Use a database such as "
            "sqlite:///mlflow.db or a server such as http://127.0.0.1:5000; `mlflow migrate-filestore` moves old runs."
        )
    elif uri.startswith("sqlite:///"):
        uri = f"sqlite:///{Path(uri.removeprefix('sqlite:///')).absolute()}"
    return StoreAddress(uri, name)


def _refuse_legacy_store(folder: Path) -> None:
    if (folder / "mlflow.db").exists():
        return
    for file in sorted((folder / "mlruns").glob("*/meta.yaml")):
        if file.parent.name.isdigit():
            raise UsageError(
                f"{folder / 'mlruns'} is a store of MLflow's legacy kind, which MLflow no longer writes. Move its runs "
                "with `mlflow migrate-filestore`, or give another store: --tracking-uri sqlite:///actsearch.db."
            )
