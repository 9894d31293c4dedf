"""What do two workers gain, on this machine and on Ray: throughput, seconds to start, and how often data is kept?

    python benchmarks/workers.py                # some fifteen minutes
    python benchmarks/workers.py --work start   # one of start, mlp, cnn, memory; the JSON keeps the others

Throughput is executions divided by the time from the begin of the first to the end of the last: start-up is apart. The
searches in this process (`none`), with `Local(2)` and with `Ray(2)` take turns. `mlp` is `everything` on digits with
four executions each, in three layers of 64; `cnn` is a network whose convolutions keep all cores busy. `start` is the
time from a process that has imported TensorFlow to workers that are ready, the first and all of them. For `memory` two
workers get 500 MB.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

KINDS = {
    "start": ("local", "ray"),
    "mlp": ("none", "local", "ray"),
    "cnn": ("none", "local", "ray"),
    "memory": ("local", "ray"),
}
MEGABYTES = 500


def measured(work: str, kind: str) -> dict[str, float]:
    """One measurement in a process of its own."""
    command = [sys.executable, __file__, "--measure", work, kind]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(f"{work:8} {kind:8} " + ", ".join(f"{name} {value:.2f}" for name, value in found.items()), flush=True)
    return found


def measure(work: str, kind: str) -> None:
    """What the process does."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        how = {"start": start, "memory": memory}.get(work)
        print(json.dumps(how(kind) if how else throughput(work, kind)))


def spec_of(kind: str) -> Any:
    """Two workers of a kind; None for this process."""
    from actsearch.executors import Local, Ray

    return {"none": None, "local": Local(2), "ray": Ray(2)}[kind]


def throughput(work: str, kind: str) -> dict[str, float]:
    """Executions a second from the first begin to the last end."""
    from sklearn.datasets import load_digits

    import actsearch

    x, y = load_digits(return_X_y=True)
    x, y = (x / 16).astype("float32"), y.astype("int32")
    options: dict[str, Any] = {"executions": 4, "epochs": 10}
    if work == "cnn":
        x, options = x.reshape(-1, 8, 8, 1), {"executions": 4, "epochs": 5}
    options |= {"executor": spec_of(kind), "verbose": 0}
    tuner = actsearch.ActivationTuner(mlp if work == "mlp" else cnn, **options)
    found = tuner.search(x[:1397], y[:1397], validation_data=(x[1397:], y[1397:]))
    executions = [e for trial in found.trials for e in trial.executions]
    seconds = max(e.ended_at for e in executions) - min(e.started_at for e in executions)
    cpu = sum(e.resources.cpu_seconds for e in executions if e.resources)
    return {"executions": len(executions), "seconds": seconds, "per_second": len(executions) / seconds, "cpu": cpu}


def start(kind: str) -> dict[str, float]:
    """Seconds until the first worker is ready, and until all are."""
    import numpy as np

    pool = pool_for(kind, np.ones((100, 64), "float32"))
    begin = time.perf_counter()
    with pool:
        first = time.perf_counter() - begin
        all_ready(pool)
        return {"first": first, "all": time.perf_counter() - begin}


def pool_for(kind: str, x: Any) -> Any:
    """The executor of a search on this data; TensorFlow is imported already."""
    from functools import partial

    import numpy as np

    from actsearch._startup import load_tensorflow

    load_tensorflow()
    from actsearch.executors.specs import make_executor
    from actsearch.records import Direction, Objective
    from actsearch.training.data import TrainingData
    from actsearch.training.execution import Executions

    data = TrainingData(x, np.zeros(len(x)), (x[:10], np.zeros(10)))
    return make_executor(spec_of(kind), partial(Executions, mlp, data, Objective("val_loss", Direction.MIN)))


def all_ready(pool: Any) -> None:
    """Waits until all workers are."""
    while len(pool._free) < pool.num_at_once:
        pool._listen()


def mlp(hp: Any) -> Any:
    """Three layers of 64."""
    import keras

    import actsearch

    activation = actsearch.choose(hp, "everything")
    layers: list[Any] = [keras.Input((64,))]
    for _ in range(3):
        layers += [keras.layers.Dense(64, kernel_initializer=activation.initializer()), activation.layer()]
    model = keras.Sequential([*layers, keras.layers.Dense(10, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def cnn(hp: Any) -> Any:
    """Three convolutions of 128 filters."""
    import keras

    import actsearch

    activation = actsearch.choose(hp, {"activations": ["relu", "elu"]})
    layers: list[Any] = [keras.Input((8, 8, 1))]
    for _ in range(3):
        conv = keras.layers.Conv2D(128, 3, padding="same", kernel_initializer=activation.initializer())
        layers += [conv, activation.layer()]
    layers += [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(10, activation="softmax")]
    model = keras.Sequential(layers)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def memory(kind: str) -> dict[str, float]:
    """Megabytes of shared memory, and in each worker of its own, with data of 500 MB."""
    import numpy as np
    import psutil

    x = np.ones((MEGABYTES * 1_000_000 // 4000, 1000), "float32")
    begin = shared_memory()
    with pool_for(kind, x) as pool:
        all_ready(pool)
        found = {"store": (shared_memory() - begin) / 1e6}
        own = [
            process.memory_full_info().uss / 1e6
            for process in psutil.Process().children(recursive=True)
            if any(name in " ".join(process.cmdline()) for name in ("ray::Worker", "actsearch.executors.worker"))
        ]
        return found | {f"worker{number}": value for number, value in enumerate(own)}


def compared(work: str, runs: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """The medians that answer the question, printed."""
    name = {"start": "all", "memory": "store"}.get(work, "per_second")
    medians = {kind: statistics.median(run[name] for run in some) for kind, some in runs.items()}
    times = {kind: value / medians["none" if "none" in medians else "ray"] for kind, value in medians.items()}
    print(f"{work}: {name} " + ", ".join(f"{kind} {medians[kind]:.2f} ({times[kind]:.2f} times)" for kind in medians))
    return {name: medians, "times": times}


def shared_memory() -> int:
    """Bytes of shared memory that are in use on this machine."""
    return (
        int(next(line.split()[1] for line in Path("/proc/meminfo").read_text().splitlines() if "Shmem:" in line)) * 1024
    )


def main() -> None:
    """Measures, prints, and writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--work", action="append", choices=list(KINDS))
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "workers.json")
    options = parser.parse_args()
    if options.measure:
        return measure(*options.measure)
    found: dict[str, Any] = json.loads(options.out.read_text()) if options.out.exists() else {}
    for work in options.work or KINDS:
        repetitions = 1 if work == "memory" else options.repetitions
        runs: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS[work]}
        for _ in range(repetitions):
            for kind, some in runs.items():
                some.append(measured(work, kind))
        found[work] = {"runs": runs} | compared(work, runs)
        packages = {name: version(name) for name in ("keras", "tensorflow", "ray")}
        found["question"] = (__doc__ or "").splitlines()[0]
        found["versions"] = {"python": platform.python_version()} | packages
        found["num_cores"] = os.cpu_count()
        options.out.write_text(json.dumps(found, indent=1) + "\n")
    return None


if __name__ == "__main__":
    main()
