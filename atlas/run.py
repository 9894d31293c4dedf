"""Runs the plan of the atlas, one search directory for each situation; what is complete is skipped.

    python -m atlas.run --out atlas-run-1 --workers 2
    python -m atlas.run --out atlas-run-2 --workers 2 --seed 2    # other seeds and splits
    python -m atlas.run --dry-run --only depth

End it at any time, and repeat the command: it resumes. `atlas/README.md` says more.
"""

import argparse
import fnmatch
import json
import math
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from actsearch.errors import summarize
from atlas.data_sets import ALL
from atlas.plan import PLAN, Plan, Situation, load_plan

SPEED = Path(__file__).with_name("speed.json")
MAX_WORKERS = 2
SITUATIONS_PER_PROCESS = 4  # what TensorFlow keeps of each search is given back with its process


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Returns:
        0 if all situations are complete, 1 if a search failed.
    """
    given = _parser().parse_args(arguments)
    plan = load_plan(given.plan)
    names = [name for name in plan.situations if _is_wanted(name, plan.situations[name], given.only)]
    run = plan.content["seed"] if given.seed is None else given.seed
    if given.dry_run:
        print(overview(plan, names))
        return 0
    if missing := sorted({s.package for n in names if not (s := ALL[plan.situations[n].data]).is_installed}):
        raise SystemExit(
            f'Not installed: {", ".join(missing)}. Run python -m pip install -e ".[atlas]", or use --only.'
        )
    failed = run_situations(plan, names, run=run, out=given.out, workers=given.workers)
    for name, reason in failed.items():
        print(f"FAILED {name}: {reason}")
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m atlas.run", description="Runs the plan of the atlas.")
    parser.add_argument("--plan", type=Path, default=PLAN, help="YAML file of the plan")
    parser.add_argument("--out", type=Path, default=Path("atlas-run"), help="directory of all search directories")
    parser.add_argument("--only", action="append", help="name or pattern of situations, or an axis; may be repeated")
    parser.add_argument("--seed", type=int, help="number of the run; if omitted, that of the plan")
    parser.add_argument(
        "--workers", type=int, default=1, choices=range(1, MAX_WORKERS + 1), help="searches side by side"
    )
    parser.add_argument("--dry-run", action="store_true", help="list situations, executions and the time they need")
    return parser


def _is_wanted(name: str, situation: Situation, patterns: Sequence[str] | None) -> bool:
    return not patterns or any(fnmatch.fnmatch(name, each) or situation.axis == each for each in patterns)


def run_situations(plan: Plan, names: Sequence[str], *, run: int, out: Path, workers: int) -> dict[str, str]:
    """Runs the searches of situations, and prints a line for each, with the time that the others will take.

    Args:
        plan: The plan.
        names: Names of the situations.
        run: Number of the run.
        out: Directory of the search directories.
        workers: Processes side by side.

    Returns:
        Why a situation failed, by its name.
    """
    out.mkdir(parents=True, exist_ok=True)
    expected = {name: expected_seconds(plan, plan.situations[name]) for name in names}
    began, done, failed = time.monotonic(), 0.0, dict[str, str]()
    with _pool(workers) as pool:
        jobs = {pool.submit(_search, plan, name, run, out / directory_name(name)): name for name in names}
        for number, job in enumerate(as_completed(jobs), start=1):
            name = jobs[job]
            result, took = "complete", ""
            try:
                seconds = job.result()
                took = f" in {seconds:.0f} s" if seconds else " before"
                done += expected[name] if seconds else 0
            except Exception as error:  # noqa: BLE001  one situation's error is reported, and the others run
                failed[name], result = summarize(error), "FAILED"
            expected.pop(name)
            speed = done / (time.monotonic() - began) if done else workers
            left = _hours(sum(expected.values()) / speed)
            print(f"[{number}/{len(names)}] {name}: {result}{took}; about {left} left", flush=True)
    return failed


def directory_name(situation: str) -> str:
    """Returns the name of a situation's directory."""
    return situation.replace(",", "+")


def _pool(workers: int) -> Executor:
    """Processes with one thread each, so that numbers do not depend on how many there are."""
    os.environ["TF_NUM_INTRAOP_THREADS"] = "1"
    return ProcessPoolExecutor(workers, get_context("spawn"), max_tasks_per_child=SITUATIONS_PER_PROCESS)


def _search(plan: Plan, name: str, run: int, directory: Path) -> float:
    """Runs in a worker; returns the seconds that it took, 0 if the situation was complete."""
    from atlas.searches import is_complete, search_situation

    began, was_complete = time.monotonic(), is_complete(directory, plan)
    search_situation(plan, name, run=run, directory=directory)
    return 0.0 if was_complete else time.monotonic() - began


def expected_seconds(plan: Plan, situation: Situation) -> float:
    """Estimates the time of all searches of a situation on one core, from `speed.json`, which `atlas.measure` writes.

    A kind of situation that was not measured counts as the one that has most factors in common with it.
    """
    measured = json.loads(SPEED.read_text("utf-8"))["situations"]
    known = {name: each for name, each in load_plan().situations.items() if name in measured}
    own = situation.like(plan.centre)
    kind = min(known, key=lambda name: (known[name].network != own.network, len(known[name].differing(own))))
    seconds = measured[kind]
    searches = 1 + situation.is_tuned
    trials = len(plan.content["activations"]) * searches * seconds["trial"]
    return trials + plan.num_executions(situation) * seconds["steps"] * plan.content["steps"] / 1000


def overview(plan: Plan, names: Sequence[str]) -> str:
    """Lists situations, their executions and the time that they take on one core."""
    lines, executions, seconds = [], 0, 0.0
    for name in names:
        situation = plan.situations[name]
        number, expected = plan.num_executions(situation), expected_seconds(plan, situation)
        lines.append(f"{situation.axis:13} {name:45} {number:6} executions {expected / 60:6.1f} min")
        executions, seconds = executions + number, seconds + expected
    total = f"{len(names)} situations, {executions:,} executions: {_hours(seconds)} on one core"
    return "\n".join([*lines, f"{total}, {_hours(seconds / MAX_WORKERS)} with --workers {MAX_WORKERS}."])


def _hours(seconds: float) -> str:
    minutes = math.ceil(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"


if __name__ == "__main__":
    sys.exit(main())
