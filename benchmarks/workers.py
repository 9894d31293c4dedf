"""How much faster are two workers than one process, and how often are 500 MB of data kept?

    python benchmarks/workers.py                # some ten minutes
    python benchmarks/workers.py --work memory  # one of mlp, cnn, memory; the others stay as they are in the JSON

Throughput is executions divided by the time from the begin of the first to the end of the last: start-up is apart. The
searches without workers and with them take turns. `mlp` is `everything` on digits with four executions each, in
three layers of 64; `cnn` is a network whose convolutions keep all cores busy. For `memory` two workers get 500 MB.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

NUM_WORKERS = (0, 2)
MEGABYTES = 500


def searched(work: str, workers: int) -> dict[str, float]:
    """One search in a process of its own: its throughput, or its memory."""
    command = [sys.executable, __file__, "--search", work, str(workers)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(
        f"{work:8} {workers} workers: " + ", ".join(f"{name} {value:.2f}" for name, value in found.items()), flush=True
    )
    return found


def search(work: str, workers: int) -> None:
    """What the process does."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        print(json.dumps(memory(workers) if work == "memory" else throughput(work, workers)))


def throughput(work: str, workers: int) -> dict[str, float]:
    """Executions a second from the first begin to the last end."""
    from sklearn.datasets import load_digits

    import actsearch

    x, y = load_digits(return_X_y=True)
    x, y = (x / 16).astype("float32"), y.astype("int32")
    options: dict[str, Any] = {"executions": 4, "epochs": 10}
    if work == "cnn":
        x, options = x.reshape(-1, 8, 8, 1), {"executions": 4, "epochs": 5}
    tuner = actsearch.ActivationTuner(mlp if work == "mlp" else cnn, workers=workers, verbose=0, **options)
    found = tuner.search(x[:1397], y[:1397], validation_data=(x[1397:], y[1397:]))
    executions = [e for trial in found.trials for e in trial.executions]
    seconds = max(e.ended_at for e in executions) - min(e.started_at for e in executions)
    cpu = sum(e.resources.cpu_seconds for e in executions if e.resources)
    return {"executions": len(executions), "seconds": seconds, "per_second": len(executions) / seconds, "cpu": cpu}


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


def memory(workers: int) -> dict[str, float]:
    """Megabytes in Ray's object store, and in each worker beside what TensorFlow takes, with data of 500 MB."""
    from functools import partial

    import numpy as np
    import psutil

    from actsearch.executors.ray_backend import RayCrew
    from actsearch.records import Direction, Objective
    from actsearch.training.data import TrainingData
    from actsearch.training.execution import Executions

    x = np.ones((MEGABYTES * 1_000_000 // 4000, 1000), "float32")
    small = (x[:10], np.zeros(10))
    crew = RayCrew(workers)
    try:
        begin = shared_memory()
        crew.send(
            partial(Executions, mlp, TrainingData(x, np.zeros(len(x)), small), Objective("val_loss", Direction.MIN))
        )
        calls = [crew.begin(crew.hire()) for _ in range(workers)]
        while calls:
            for call, answer in crew.answers(calls, 60.0):
                assert answer is None, answer
                calls.remove(call)
        found = {"store": (shared_memory() - begin) / 1e6}
        own = [
            process.memory_full_info().uss / 1e6
            for process in psutil.Process().children(recursive=True)
            if " ".join(process.cmdline()).startswith("ray::Worker")
        ]
        return found | {f"worker{number}": value for number, value in enumerate(own)}
    finally:
        crew.close()


def shared_memory() -> int:
    """Bytes of shared memory that are in use on this machine."""
    return (
        int(next(line.split()[1] for line in Path("/proc/meminfo").read_text().splitlines() if "Shmem:" in line)) * 1024
    )


def main() -> None:
    """Measures, prints, and writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--search", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--work", action="append", choices=["mlp", "cnn", "memory"])
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "workers.json")
    options = parser.parse_args()
    if options.search:
        return search(options.search[0], int(options.search[1]))
    found: dict[str, Any] = json.loads(options.out.read_text()) if options.out.exists() else {}
    for work in options.work or ["mlp", "cnn", "memory"]:
        if work == "memory":
            found[work] = searched(work, 2)
            continue
        runs: dict[int, list[dict[str, float]]] = {num: [] for num in NUM_WORKERS}
        for _ in range(options.repetitions):
            for num in NUM_WORKERS:
                runs[num].append(searched(work, num))
        medians = {num: statistics.median(run["per_second"] for run in some) for num, some in runs.items()}
        found[work] = {"runs": runs, "per_second": medians, "times": medians[2] / medians[0]}
        print(f"{work}: two workers have {found[work]['times']:.2f} times the throughput of one process")
    found["question"] = (__doc__ or "").splitlines()[0]
    found["versions"] = {"python": platform.python_version()} | {n: version(n) for n in ("keras", "tensorflow", "ray")}
    found["num_cores"] = os.cpu_count()
    options.out.write_text(json.dumps(found, indent=1) + "\n")
    return None


if __name__ == "__main__":
    main()
