"""Measures what a trial and an execution take in each kind of situation, for the estimates of `atlas.run`.

    python -m atlas.measure                # what the file lacks
    python -m atlas.measure depth=20       # these again

Writes `atlas/speed.json`: seconds of one core. Situations that differ in data, width, sample size, bias, learning rate,
initializer or optimizer alone count as alike. CPU time is counted, so that another program does not change it much.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from actsearch.environment import describe_environment
from atlas.plan import Plan, Situation, load_plan
from atlas.run import SPEED

ACTIVATION, EXECUTIONS = "silu", 2  # a function of middling cost; the first execution traces


def main() -> None:
    """Measures the kinds of situations that are named, or all that the file lacks, and adds them to it."""
    os.environ["TF_NUM_INTRAOP_THREADS"] = "1"
    plan, content = load_plan(), json.loads(SPEED.read_text("utf-8"))
    kinds = [name for name, each in plan.situations.items() if not each.differing(each.like(plan.centre))]
    small = Plan({**plan.content, "activations": [ACTIVATION], "executions": EXECUTIONS})
    measured = content["situations"]
    for name in sys.argv[1:] or [kind for kind in kinds if kind not in measured]:
        with tempfile.TemporaryDirectory() as directory:
            measured[name] = seconds_of(small, plan.situations[name], Path(directory))
        print(name, measured[name], flush=True)
        known = describe_environment()
        about = {"cpu": known["cpu"], "packages": known["packages"], "activation": ACTIVATION}
        SPEED.write_text(json.dumps({"about": about, "situations": measured}, indent=1) + "\n", "utf-8")


def seconds_of(plan: Plan, situation: Situation, directory: Path) -> dict[str, float]:
    """Searches one activation at a fixed learning rate, and divides the CPU time into executions and the rest.

    Returns:
        `steps`: 1,000 steps, as the plan counts them, of an execution on a trace that is there. `trial`: all else,
        mostly the trace.
    """
    import actsearch
    from atlas.data_sets import ALL
    from atlas.searches import JUDGED, search_judged

    wall, cpu = time.perf_counter(), time.process_time()
    search_judged(plan, replace(situation, learning_rate=0.001), ALL[situation.data].load(), directory)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    (trial,) = actsearch.load_result(directory / JUDGED).record.trials
    later = [each.ended_at - each.started_at for each in trial.executions[1:]]
    execution = statistics.fmean(later) * cpu / wall
    rest = cpu - len(trial.executions) * execution
    return {"trial": round(rest, 2), "steps": round(1000 * execution / plan.content["steps"], 3)}


if __name__ == "__main__":
    main()
