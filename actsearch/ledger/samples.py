"""The files of sample scores, one for each execution: intervals that hold for new data need them."""

import json
import os
import zlib
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from actsearch.ledger.ledger import ledger_error
from actsearch.records import SampleScores

FOLDER = "samples"
PARTS = ("validation", "test")
MAX_KEPT_BYTES = 64 * 2**20


def write_samples(directory: Path, trial_id: str, execution: int, samples: Mapping[str, SampleScores]) -> None:
    """Writes the sample scores of an execution, if there are any; an existing file is replaced.

    The file has a line of JSON, which names the arrays with their types and lengths, and then their compressed bytes: a
    large search reads thousands of such files, ten times as fast as NumPy's archives.

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
    arrays = _compact(samples)
    header = [[name, array.dtype.str, array.size] for name, array in arrays.items()]
    content = b"".join(array.tobytes() for array in arrays.values())
    try:
        path.parent.mkdir(exist_ok=True)
        with unfinished.open("wb") as file:
            file.write(json.dumps(header).encode() + b"\n" + zlib.compress(content))
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
        header, _, packed = path.read_bytes().partition(b"\n")
        content, arrays, at = zlib.decompress(packed), dict[str, NDArray[Any]](), 0
        for name, kind, size in json.loads(header):
            arrays[name] = np.frombuffer(content, np.dtype(kind), size, at)
            at += arrays[name].nbytes
        return {part: _scores(arrays, part) for part in PARTS if part in arrays}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, zlib.error):
        return {}  # an interval over executions remains possible, and the verdict says which it is


class StoredSamples:
    """The sample scores of a search, read when they are needed; the latest are kept.

    Args:
        directory: Directory of the search.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._kept: OrderedDict[tuple[str, int], dict[str, SampleScores]] = OrderedDict()
        self._num_bytes = 0

    def __call__(self, trial_id: str, execution: int, part: str) -> SampleScores | None:
        """Returns the scores of an execution on a part, `validation` or `test`; None if they are not known."""
        key = (trial_id, execution)
        if key not in self._kept:
            self._kept[key] = read_samples(self._directory, trial_id, execution)
            self._num_bytes += _bytes_of(self._kept[key])
        self._kept.move_to_end(key)
        found = self._kept[key].get(part)
        while self._num_bytes > MAX_KEPT_BYTES:
            self._num_bytes -= _bytes_of(self._kept.popitem(last=False)[1])
        return found


def _bytes_of(samples: Mapping[str, SampleScores]) -> int:
    return sum(scores.ids.nbytes + scores.values.nbytes for scores in samples.values())


def _path(directory: Path, trial_id: str, execution: int) -> Path:
    return directory / FOLDER / f"{quote(trial_id, safe='')}-{execution}.scores"


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


def _scores(file: Mapping[str, NDArray[Any]], part: str) -> SampleScores:
    return SampleScores(np.cumsum(file[f"{part}_ids"], dtype=np.int64), file[part].astype(np.float32))
