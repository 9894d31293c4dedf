"""The files of sample scores, one for each execution: intervals that hold for new data need them."""

import os
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from actsearch.ledger.ledger import ledger_error
from actsearch.records import SampleScores

FOLDER = "samples"
PARTS = ("validation", "test")


def write_samples(directory: Path, trial_id: str, execution: int, samples: Mapping[str, SampleScores]) -> None:
    """Writes the sample scores of an execution, if there are any; an existing file is replaced.

    Args:
        directory: Directory of the search.
        trial_id, execution: The execution.
        samples: Scores under `validation` and `test`.

    Raises:
        LedgerError: The file cannot be written.
    """
    if not samples:
        return
    path = _path(directory, trial_id, execution)
    unfinished = path.with_suffix(".unfinished")
    try:
        path.parent.mkdir(exist_ok=True)
        with unfinished.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **_compact(samples))
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        with suppress(OSError):
            unfinished.unlink()
        raise ledger_error(path, error) from error


def read_samples(directory: Path, trial_id: str, execution: int) -> dict[str, SampleScores]:
    """Reads the sample scores of an execution; empty if there are none, or if the file is damaged."""
    path = _path(directory, trial_id, execution)
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            return {part: _scores(file, part) for part in PARTS if part in file.files}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return {}  # an interval over executions remains possible, and the verdict says which it is


class StoredSamples:
    """The sample scores of a search, read when they are needed.

    Args:
        directory: Directory of the search.
    """

    def __init__(self, directory: Path) -> None:
        self._read = lru_cache(maxsize=4096)(lambda trial_id, execution: read_samples(directory, trial_id, execution))

    def __call__(self, trial_id: str, execution: int, part: str) -> SampleScores | None:
        """Returns the scores of an execution on a part, `validation` or `test`; None if they are not known."""
        found: dict[str, SampleScores] = self._read(trial_id, execution)
        return found.get(part)


def _path(directory: Path, trial_id: str, execution: int) -> Path:
    return directory / FOLDER / f"{quote(trial_id, safe='')}-{execution}.npz"


def _compact(samples: Mapping[str, SampleScores]) -> dict[str, Any]:
    """Arranges scores by the numbers of the samples: their steps take one byte each; so do values of 0 and 1."""
    arrays = {}
    for part, scores in samples.items():
        order = np.argsort(scores.ids, kind="stable")
        steps = np.diff(scores.ids[order], prepend=0)
        values = scores.values[order]
        arrays[f"{part}_ids"] = steps.astype(np.min_scalar_type(int(steps.max(initial=0))))
        arrays[part] = values.astype(np.uint8) if np.isin(values, (0, 1)).all() else values.astype(np.float32)
    return arrays


def _scores(file: Any, part: str) -> SampleScores:
    return SampleScores(np.cumsum(file[f"{part}_ids"], dtype=np.int64), file[part].astype(np.float32))
