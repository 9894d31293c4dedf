"""How busy would up to 1,000 workers be, and what does an execution cost the process that hands them out?

    python benchmarks/schedule.py       # some three minutes

A search of `everything` on digits is trained for its durations; the first execution of a trial is diagnosed too. Then
the loop of a search, its queue, its ledger and its handling of workers run for 10,000 executions (1,000 trials of 10)
on workers whose clock is simulated: an execution takes what one of its activation took, and tracing where its worker
has no trace of the trial yet. Efficiency is the time that one worker would need, divided by workers times the time that
they need, start-up apart.
"""

import argparse
import heapq
import itertools
import json
import os
import platform
import tempfile
import time
import zlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
from workers import mlp

import actsearch
from actsearch._startup import load_tensorflow
from actsearch.config import SearchConfig
from actsearch.executors.pool import PoolExecutor
from actsearch.records import Direction, ExecutionRecord, Objective, Resources, Status, TrialRecord
from actsearch.training.execution import Trained
from actsearch.tuning.allocation import Fixed
from actsearch.tuning.loop import SearchLoop, StopSignal
from actsearch.tuning.oracles import make_oracle
from actsearch.tuning.problem import describe_search, inspect_hypermodel
from actsearch.tuning.progress import Silent
from actsearch.tuning.state import SearchState
from actsearch.tuning.trial_source import TrialSource

ACCURACY = Objective("val_accuracy", Direction.MAX)
NUM_TRIALS, NUM_EXECUTIONS = 1000, 10
Durations = Sequence[Sequence[tuple[float, float]]]  # by trial and execution: seconds of tracing, and of the rest
WORKERS = (1, 10, 100, 1000)


class Simulated:
    """Workers that take their time on a clock that jumps from one answer to the next."""

    def __init__(self, num: int, durations: Durations) -> None:
        self.num, self._durations = num, durations
        self._names = itertools.count()
        self._due: list[tuple[float, int, Any]] = []
        self._traced: set[tuple[int, str]] = set()
        self.clock = self.work = 0.0

    def start(self) -> None:
        """They need no time for it."""

    def differences(self) -> list[str]:
        return []

    def send(self, job: Any) -> None:
        """Nothing is needed."""

    def hire(self) -> int:
        return next(self._names)

    def begin(self, worker: int) -> int:  # noqa: ARG002
        return self._call(0.0, None)

    def run(self, worker: int, request: Any) -> int:
        first, *others = self._durations[zlib.crc32(request.trial_id.encode()) % len(self._durations)]
        trace, train = first if request.execution == 1 else others[request.execution % len(others)]
        trace *= (worker, request.trial_id) not in self._traced
        self._traced.add((worker, request.trial_id))
        ended_at = self.clock + trace + train
        record = ExecutionRecord(
            *(
                request.trial_id,
                request.execution,
                request.seed,
                request.epochs,
                Status.COMPLETED,
                self.clock,
                ended_at,
            ),
            score=0.5,
            resources=Resources(0.0, trace, train, train, train, None, 1),
        )
        return self._call(trace + train, Trained(record))

    def answers(self, calls: Sequence[int], seconds: float) -> list[tuple[int, Any]]:  # noqa: ARG002
        self.clock, name, answer = heapq.heappop(self._due)
        return [(name, answer)]

    def fire(self, worker: int) -> None:
        """None is lost."""

    def close(self) -> None:
        """Nothing is held."""

    def _call(self, seconds: float, answer: Any) -> int:
        name = next(self._names)
        heapq.heappush(self._due, (self.clock + seconds, name, answer))
        return name


def durations_of(folder: Path) -> Durations:
    """Those of a real search."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x, y = (x / 16).astype("float32"), y.astype("int32")
    store = actsearch.MLflow(f"sqlite:///{folder.parent / 'mlflow.db'}")
    tuner = actsearch.ActivationTuner(mlp, executions=4, epochs=10, directory=folder, tracking=store, verbose=0)
    found = tuner.search(x[:1397], y[:1397], validation_data=(x[1397:], y[1397:]))
    return [durations_in(trial) for trial in found.trials]


def durations_in(trial: TrialRecord) -> list[tuple[float, float]]:
    """Those of one trial."""
    whole = [e.ended_at - e.started_at for e in trial.completed]
    traced = sum(e.resources.trace_seconds for e in trial.completed if e.resources)
    return [(traced, seconds - traced * (number == 0)) for number, seconds in enumerate(whole)]


def many(hp: Any) -> keras.Model:
    """A model of one unit: what is looked at is the search."""
    hp.Int("number", 1, NUM_TRIALS)
    activation = actsearch.choose(hp, {"activations": ["relu"]})
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1), activation.layer()])
    model.compile("sgd", "mse")
    return model


def simulated(num_workers: int, durations: Durations, folder: Path) -> dict[str, float]:
    """Efficiency, and the milliseconds of this process that an execution and a trial cost."""
    config = SearchConfig(executions=NUM_EXECUTIONS, epochs=1)
    hypermodel = inspect_hypermodel(many)
    oracle = make_oracle("grid", ACCURACY, space=hypermodel.hyperparameters)
    oracle._set_project_dir(str(folder), "oracle")
    oracle.verbose = 0
    trials = Timed(oracle, hypermodel, "tuner", build=many)
    state = SearchState(folder, describe_search(hypermodel, ACCURACY, config, {}, {}))
    backend = Simulated(num_workers, durations)
    begin = time.perf_counter()
    with PoolExecutor(None, backend) as executor, state.open():  # type: ignore[arg-type]  nothing is made
        allocation = Fixed(NUM_EXECUTIONS).start(ACCURACY, alpha=SearchConfig.alpha)
        SearchLoop(config, allocation, trials, executor, state, Silent(), StopSignal(print)).run()
    seconds = time.perf_counter() - begin
    count = NUM_TRIALS * NUM_EXECUTIONS
    return {
        "seconds_simulated": backend.clock,
        "milliseconds_an_execution": 1000 * (seconds - trials.seconds) / count,
        "milliseconds_a_trial": 1000 * trials.seconds / NUM_TRIALS,
    }


class Timed(TrialSource):
    """Trials, and the seconds that they took."""

    seconds = 0.0

    def __next__(self) -> Any:
        begin = time.perf_counter()
        try:
            return super().__next__()
        finally:
            self.seconds += time.perf_counter() - begin


def main() -> None:
    """Trains, simulates, prints, and writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "schedule.json")
    options = parser.parse_args()
    load_tensorflow()
    rows = {}
    with tempfile.TemporaryDirectory() as room:
        durations = durations_of(Path(room) / "search")
        for num in WORKERS:
            folder = Path(room) / str(num)
            folder.mkdir()
            row = rows[num] = simulated(num, durations, folder)
            row["efficiency"] = rows[1]["seconds_simulated"] / (num * row["seconds_simulated"])
            print(
                f"{num:5} workers: efficiency {row['efficiency']:.3f}, {row['milliseconds_an_execution']:.2f} ms an "
                f"execution, {row['milliseconds_a_trial']:.1f} ms a trial",
                flush=True,
            )
    found = {
        "question": (__doc__ or "").splitlines()[0],
        "workers": rows,
        "durations": durations,
        "versions": {"python": platform.python_version()} | {n: version(n) for n in ("keras", "keras-tuner")},
        "num_cores": os.cpu_count(),
    }
    options.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
