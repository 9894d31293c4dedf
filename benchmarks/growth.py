"""Does the two hundredth execution of a search cost what the tenth does, in seconds and in memory?

    python benchmarks/growth.py [--out benchmarks/results/growth.json]    # a minute

Four activations, fifty seeds each, ten epochs of a 3 × 64 network on handwritten digits. Compared are the medians over
executions 11 to 30 and over the last 20, and the resident memory of the process after each.
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import same_work_peers as peers
from same_works import Data, Work

from actsearch.tuning.progress import Silent


class Growth(Silent):
    """Notes time and resident memory after each execution."""

    def __init__(self) -> None:
        self.at: list[float] = []
        self.rss_bytes: list[int] = []

    def execution(self, *_: Any) -> None:
        """An execution ended."""
        self.at.append(time.perf_counter())
        self.rss_bytes.append(psutil.Process().memory_info().rss)


def main() -> None:
    """Measures, prints, and writes the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "growth.json")
    out = parser.parse_args().out
    work = Work("growth", "mlp", activations=("relu", "elu", "silu", "tanh"), executions=50)
    growth = Growth()
    with tempfile.TemporaryDirectory() as folder:
        peers.search_with(work, Data(work), Path(folder), verbose=growth)
    seconds = [later - earlier for earlier, later in zip(growth.at, growth.at[1:], strict=False)]
    early, late = statistics.median(seconds[10:30]), statistics.median(seconds[-20:])
    early_bytes, late_bytes = (statistics.median(growth.rss_bytes[part]) for part in (slice(10, 30), slice(-20, None)))
    print(f"seconds: {early:.4f} early, {late:.4f} late ({late / early - 1:+.1%})")
    print(f"MB: {early_bytes / 1e6:.0f} early, {late_bytes / 1e6:.0f} late ({late_bytes / early_bytes - 1:+.1%})")
    result = {
        "question": __doc__.splitlines()[0],
        "hardware": {"machine": platform.machine(), "num_cores": os.cpu_count(), "python": platform.python_version()},
        "seconds": seconds,
        "rss_bytes": growth.rss_bytes,
        "ratio_of_seconds": late / early,
        "ratio_of_bytes": late_bytes / early_bytes,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
