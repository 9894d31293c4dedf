"""Is a search that was killed at a random moment, and resumed, the search that was not?

    python benchmarks/faults.py [--out benchmarks/results/faults.json]    # half an hour

Fifty SIGKILLs over searches of 5 × 4 executions, ten each over a race and over the oracles `random` and `bayesian`, at
moments drawn from a fixed seed. Each killed search is resumed to its end, and compared with one that was never killed:
trials, scores, histories and decisions, and its runs in MLflow; and how many executions were trained twice is counted.
"""

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
NUM_KILLS = {"grid": 50, "race": 10, "random": 10, "bayesian": 10}


def killed(kind: str, number: int, seconds: float, folder: Path) -> dict[str, Any]:
    """One search, killed and resumed; what became of it."""
    from tests.helpers import processes

    directory, store = folder / f"{kind}-{number}", folder / "mlflow.db"
    moment = random.Random(f"{kind} {number}").uniform(0.0, seconds)
    processes.ran(directory, store, kind, kill_after=moment)
    before = processes.num_begun(directory)
    processes.ran(directory, store, kind)
    problem = None
    try:
        processes.check(directory, folder / f"{kind}-whole", store, kills=1)
    except AssertionError as error:
        problem = str(error)[:2000]
    begun = processes.num_begun(directory)
    print(
        f"{kind:9} {number:3} killed after {moment:5.1f} s, {before:2} of {begun:2} begun: {problem or 'equal'}",
        flush=True,
    )
    processes.forget(directory)
    return {"moment": moment, "begun_before": before, "begun": begun, "problem": problem}


def main() -> None:
    """Kills, resumes, compares, prints, and writes the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "faults.json")
    parser.add_argument("--kills", type=int, help="At most so many of each kind.")
    options = parser.parse_args()
    from tests.helpers import processes

    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        uri = f"sqlite:///{folder / 'mlflow.db'}"
        code = f"from mlflow import MlflowClient; MlflowClient({uri!r}).search_experiments()"
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
        processes.ran(folder / "first", folder / "mlflow.db", "grid")  # the first one waits for imports
        for kind, kills in NUM_KILLS.items():
            seconds = processes.ran(folder / f"{kind}-whole", folder / "mlflow.db", kind)
            some = range(min(kills, options.kills or kills))
            found[kind] = [killed(kind, number, seconds, folder) for number in some]
    for kind, rows in found.items():
        equal = sum(row["problem"] is None for row in rows)
        print(f"{kind}: {equal} of {len(rows)} ended as the search that was not killed")
    result = {"question": __doc__.splitlines()[0], "python": platform.python_version(), "kills": found}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
