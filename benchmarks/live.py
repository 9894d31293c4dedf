"""How long does it take until an execution that has ended is in the MLflow UI?

    python benchmarks/live.py       # some two minutes

A search on digits draws into a real MLflow server, which is asked every tenth of a second, as the UI asks it, for the
executions that are over. The delay of each is the time at which it is first seen, less the time at which it ended.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mlflow import MlflowClient

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.helpers.servers import Server


def watched(uri: str, seen: dict[str, float], over: threading.Event) -> None:
    """Notes when each execution is first seen to be over."""
    client = MlflowClient(uri)
    while not over.is_set():
        experiments = [e.experiment_id for e in client.search_experiments()]
        query = "tags.`actsearch.level` = 'execution' and attributes.status = 'FINISHED'"
        for run in client.search_runs(experiments, query, max_results=1000):
            tags = run.data.tags
            seen.setdefault(f"{tags['actsearch.trial_id']}/{tags['actsearch.execution']}", time.time())
        time.sleep(0.1)


def main() -> None:
    """Searches, watches, prints, and writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "live.json")
    options = parser.parse_args()
    seen: dict[str, float] = {}
    over = threading.Event()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder))
        watcher = threading.Thread(target=watched, args=(server.uri, seen, over))
        watcher.start()
        try:
            command = [
                str(Path(sys.executable).with_name("actsearch")),
                "search",
                "relu_variants",
                "--executions",
                "6",
                "--quiet",
            ]
            command += ["--epochs", "50", "--directory", f"{folder}/search", "--tracking-uri", server.uri]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            time.sleep(1.0)
        finally:
            over.set()
            watcher.join()
            server.kill()
        from actsearch.ledger import Ledger

        search = Ledger(Path(folder) / "search").read()
    ended = {f"{e.trial_id}/{e.execution}": e.ended_at for trial in search.trials for e in trial.executions}
    delays = [seen[key] - at for key, at in sorted(ended.items(), key=lambda item: item[1])]
    found: dict[str, Any] = {
        "question": (__doc__ or "").splitlines()[0],
        "delays": delays,
        "median": statistics.median(delays),
        "longest": max(delays),
        "within_5_s": sum(delay <= 5 for delay in delays) / len(delays),
        "versions": {"python": platform.python_version(), "mlflow": version("mlflow")},
        "num_cores": os.cpu_count(),
    }
    print(f"{len(delays)} executions: median {found['median']:.1f} s, longest {found['longest']:.1f} s, "
          f"{found['within_5_s']:.0%} within 5 s")  # fmt: skip
    options.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
