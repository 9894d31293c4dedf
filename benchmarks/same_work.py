"""How long does the same work take with KerasTuner, Optuna, `model.fit` in a loop, actsearch, and by hand?

    python -m pip install optuna
    python benchmarks/same_work.py                       # two hours
    python benchmarks/same_work.py --work mlp --work cnn  # some of it; the others stay as they are in the JSON

Each run is a process of its own; the peers take turns, in an order that moves on by one each time. Medians and ratios
of medians; what was measured, with each score, is in the JSON. `same_work_peers.py` has the peers' code.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

HERE = Path(__file__).parent
KERAS_TUNER, KERAS_TUNER_BEST = "KerasTuner + MLflow", "KerasTuner at its best + MLflow"
OPTUNA, OPTUNA_BEST = "Optuna + MLflow", "Optuna at its best + MLflow"
FIT, FIT_BEST = "model.fit in a loop", "model.fit at its best"
OURS, TRAINING, BY_HAND = "actsearch", "actsearch, training only", "by hand"
PEERS = {
    "mlp": (KERAS_TUNER, KERAS_TUNER_BEST, OPTUNA, OPTUNA_BEST, FIT, FIT_BEST, OURS, TRAINING, BY_HAND),
    "mlp, 10 executions": (KERAS_TUNER, KERAS_TUNER_BEST, OURS, BY_HAND),
    "cnn": (KERAS_TUNER, KERAS_TUNER_BEST, FIT, FIT_BEST, OURS, TRAINING, BY_HAND),
    "wide": (FIT, FIT_BEST, OURS, TRAINING, BY_HAND),
    "data set": (FIT, FIT_BEST, OURS, TRAINING),
    "data set, 10 executions": (FIT, FIT_BEST, OURS),
    "resnet": (FIT, FIT_BEST, OURS, TRAINING, BY_HAND),
    "lstm": (FIT, FIT_BEST, OURS, TRAINING, BY_HAND),
    "transformer": (FIT, FIT_BEST, OURS, TRAINING, BY_HAND),
    # In these an execution takes over 10 s, so they show what tracking and measuring add to training.
    "wide, 10 epochs": (OURS, TRAINING),
    "resnet, 20 epochs": (OURS, TRAINING),
    "lstm, 100 epochs": (OURS, TRAINING),
    "transformer, 100 epochs": (OURS, TRAINING),
}
AGREEMENT = "mlp, 20 executions"  # once each: for the scores
PACKAGES = ("tensorflow", "keras", "keras-tuner", "optuna", "mlflow", "numpy")


def measured(peer: str, work: str) -> dict[str, Any]:
    """One run of one peer."""
    command = [sys.executable, str(HERE / "same_work_peers.py"), peer, work]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{peer}, {work}: {done.stderr[-2000:]}")
    run: dict[str, Any] = json.loads(done.stdout)
    print(f"{work:24} {peer:32} {run['seconds']:8.2f} s", flush=True)
    return run


def repeated(work: str, repetitions: int) -> dict[str, list[dict[str, Any]]]:
    """Every peer of a work, in turns."""
    peers = PEERS[work]
    runs: dict[str, list[dict[str, Any]]] = {peer: [] for peer in peers}
    for number in range(repetitions):
        for place in range(len(peers)):
            peer = peers[(number + place) % len(peers)]
            runs[peer].append(measured(peer, work))
    return runs


def summary(runs: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Medians, how many times actsearch's seconds each peer took, and the part of them that is not training."""
    seconds = {peer: statistics.median(run["seconds"] for run in some) for peer, some in runs.items()}
    found = {"median_seconds": seconds, "times_actsearch": {p: s / seconds[OURS] for p, s in seconds.items()}}
    return found | ({"around_training": 1 - seconds[TRAINING] / seconds[OURS]} if TRAINING in seconds else {})


def agreement() -> dict[str, Any]:
    """Mean score by activation, with `model.fit` and with actsearch, and their difference in standard errors."""
    found = {peer: measured(peer, AGREEMENT)["scores"] for peer in (FIT, OURS)}
    rows = {}
    for name, fitted in found[FIT].items():
        ours = found[OURS][name]
        error = ((statistics.variance(fitted) + statistics.variance(ours)) / len(ours)) ** 0.5
        means = statistics.fmean(fitted), statistics.fmean(ours)
        rows[name] = {"fit": means[0], "actsearch": means[1], "standard_errors": (means[1] - means[0]) / error}
        print(f"{name:12} fit {means[0]:.4f}  actsearch {means[1]:.4f}  {rows[name]['standard_errors']:+.2f} SE")
    return rows


def plot(works: dict[str, Any], file: Path) -> None:
    """A bar for each peer, one panel for each work."""
    figure = Figure(figsize=(8, 1.2 + 0.42 * sum(len(row["median_seconds"]) + 1 for row in works.values())))
    heights = [len(row["median_seconds"]) for row in works.values()]
    panels = figure.subplots(len(works), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    for panel, (work, row) in zip(panels, works.items(), strict=True):
        seconds = row["median_seconds"]
        peers = sorted(seconds, key=seconds.__getitem__, reverse=True)
        colours = ["#0072b2" if peer == OURS else "#999999" for peer in peers]
        bars = panel.barh(peers, [seconds[peer] for peer in peers], color=colours)
        panel.bar_label(bars, [f"{seconds[peer]:.1f} s" for peer in peers], padding=3)
        panel.set_title(work, loc="left")
        panel.margins(x=0.12)
        panel.spines[["top", "right"]].set_visible(False)
    panels[-1].set_xlabel("seconds (median)")
    figure.tight_layout()
    figure.savefig(file, dpi=120)


def main() -> None:
    """Measures, prints, and writes JSON and plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", action="append", choices=[*PEERS, "agreement"])
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "same_work.json")
    options = parser.parse_args()
    found: dict[str, Any] = json.loads(options.out.read_text()) if options.out.exists() else {"works": {}}
    for work in options.work or [*PEERS, "agreement"]:
        if work == "agreement":
            found["agreement"] = agreement()
            continue
        runs = repeated(work, options.repetitions)
        found["works"][work] = summary(runs) | {"runs": runs}
        for peer, times in found["works"][work]["times_actsearch"].items():
            print(f"{work:24} {peer:32} {times:6.2f} times actsearch")
    found["question"] = __doc__.splitlines()[0]
    found["versions"] = {"python": platform.python_version()} | {
        name: version(name) for name in PACKAGES if find_spec(name.replace("-", "_"))
    }
    found["hardware"] = {"machine": platform.machine(), "num_cores": os.cpu_count()}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(found, indent=1) + "\n")
    plot(found["works"], options.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
