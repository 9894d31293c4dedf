"""Is a search faster if the next model is traced in a second thread while one trains?

    python benchmarks/trace_beside.py      # a few minutes; writes results/trace_beside.json

The work is `mlp` of `same_works.py`, seven activations in three executions of ten epochs, with nothing around it. Only
first executions trace, and each of these traces could run while the execution before it trains. The two kinds take
turns, each run in a new process. `at_most` is the share of the time alone in which those executions trained: what could
be won if threads did not wait for each other.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

KINDS = ("alone", "beside")


def measure(kind: str) -> dict[str, float]:
    """All executions of the work, in this process."""
    import keras
    import keras_tuner
    import tensorflow as tf
    from same_work_peers import chosen
    from same_works import WORKS, Data

    from actsearch.training.data import TrainingData
    from actsearch.training.epochs import order_of
    from actsearch.training.model_cache import BuiltModel, ModelCache

    work = WORKS["mlp"]
    data = Data(work)
    tf.constant(0)  # TensorFlow starts its runtime
    began = time.perf_counter()
    keras.utils.set_random_seed(0)
    tensors = TrainingData(*data.train, validation=data.validation).tensors()
    assert tensors is not None
    models = ModelCache(chosen(work))
    requests = [(seed, name) for seed in work.seeds for name in work.activations]
    num_firsts = len(work.activations)

    def prepared(seed: int, name: str) -> BuiltModel:
        hp = keras_tuner.HyperParameters()
        hp.values = {"activation": name}
        return models.prepare(hp, seed, tensors, work.batch_size)

    seconds: list[list[float]] = []
    thread = ThreadPoolExecutor(1)
    coming: Future[BuiltModel] | None = None
    for number, (seed, name) in enumerate(requests, start=1):
        built = prepared(seed, name) if coming is None else coming.result()
        coming = thread.submit(prepared, *requests[number]) if kind == "beside" and number < num_firsts else None
        epochs = built.epochs
        assert epochs is not None and epochs.num_samples is not None
        epochs.start(seed)
        seconds.append([])
        for epoch in range(work.epochs):
            start = time.perf_counter()
            epochs.train(order_of(seed, epoch, epochs.num_samples))
            seconds[-1].append(time.perf_counter() - start)
    whole = time.perf_counter() - began
    firsts, others = ([t for one in some for t in one] for some in (seconds[: num_firsts - 1], seconds[num_firsts:]))
    return {
        "seconds": whole,
        "epoch_of_firsts": statistics.median(firsts),
        "epoch_of_others": statistics.median(others),
        "at_most": sum(firsts) / whole,
    }


def measured(kind: str) -> dict[str, float]:
    """One measurement in a process of its own."""
    command = [sys.executable, __file__, "--measure", kind]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    found["load"] = os.getloadavg()[0]
    print(f"{kind:7}", ", ".join(f"{name} {value:.3f}" for name, value in found.items()), flush=True)
    return found


def main() -> None:
    """Measures, prints, and writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", choices=KINDS, help=argparse.SUPPRESS)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "trace_beside.json")
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure)))
        return
    runs: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    for _ in range(options.repetitions):
        for kind, some in runs.items():
            some.append(measured(kind))
    ratios = [one["seconds"] / other["seconds"] for other, one in zip(runs["alone"], runs["beside"], strict=True)]
    found: dict[str, Any] = {
        "question": (__doc__ or "").splitlines()[0],
        "num_cores": os.cpu_count(),
        "ratio_of_seconds": statistics.median(ratios),
        "at_most": statistics.median(run["at_most"] for run in runs["alone"]),
        "epoch_ratio_of_firsts": statistics.median(run["epoch_of_firsts"] for run in runs["beside"])
        / statistics.median(run["epoch_of_firsts"] for run in runs["alone"]),
        "runs": runs,
    }
    print({name: value for name, value in found.items() if name != "runs"})
    options.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
