"""Do searches of 5,000 executions, and data of two gigabytes, stay usable: seconds, and peak memory?

    python benchmarks/large.py                      # half an hour
    python benchmarks/large.py --trials 20 --executions 20 --part search --part report

Each part is a process of its own (`large_parts.py`). The second search is in the directory of the first: it has nothing
to do. Memory is that of the process before its part and at its peak; `anonymous` is without mapped files.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FORMS = ("npy", "parquet", "data set")


def measured(*arguments: object) -> dict[str, Any]:
    """Runs one part in a process of its own."""
    command = [sys.executable, str(HERE / "large_parts.py"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{arguments}: {done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    shown = {name: round(value, 2) for name, value in found.items() if isinstance(value, float)}
    peak = {name: f"{value / 2**20:,.0f} MiB" for name, value in found["peak_rss_bytes"].items()}
    print(arguments[0], arguments[2:], shown, f"before {found['rss_before'] / 2**20:,.0f} MiB, peak", peak, flush=True)
    return found


def main() -> None:
    """Measures, prints, and writes the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--executions", type=int, default=100)
    parser.add_argument("--part", action="append", choices=["search", "report", "json", "page", "resume", "data"])
    parser.add_argument("--folder", type=Path, help="where everything is written; a temporary one if omitted")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "large.json")
    options = parser.parse_args()
    found: dict[str, Any] = json.loads(options.out.read_text()) if options.out.exists() else {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        for part in options.part or ["search", "report", "json", "page", "resume", "data"]:
            if part == "data":
                found["data"] = {"written": measured("write", folder)}
                found["data"] |= {form: measured("train", folder, form) for form in FORMS}
            elif part in ("search", "resume"):
                found[part] = measured("search", folder, options.trials, options.executions)
            else:
                found[part] = measured(part, folder)
    found |= {"question": __doc__.splitlines()[0], "num_executions": options.trials * options.executions}
    found["hardware"] = {
        "machine": platform.machine(),
        "num_cores": os.cpu_count(),
        "python": platform.python_version(),
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
