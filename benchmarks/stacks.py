"""Which versions of Python, TensorFlow, MLflow and the others actsearch works with.

    python benchmarks/stacks.py                        # every stack: does it install, does the quick start work?
    python benchmarks/stacks.py floor "MLflow 3.0"     # only these; the JSON keeps the others
    python benchmarks/stacks.py floor --tests fast     # and the fast tests (or the slow ones) on it
    python benchmarks/stacks.py --imports              # what importing each dependency costs, in this environment

Each stack gets an environment of its own in --folder, with the wheel of this checkout and no compilers needed; the
quick start is `.ci/smoke.py`. It needs `uv`, which finds the Pythons of this machine, and a package index. Writes
`benchmarks/results/stacks.json`, and the tables between the marks in `docs/installing.md`.
"""

import argparse
import configparser
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "stacks.json"
PAGE = ROOT / "docs" / "installing.md"
NEWEST = "3.11"  # the Python of CI
TESTERS = ("pytest", "pytest-xdist", "hypothesis", "markdown-it-py", "ray")


@dataclass(frozen=True)
class Stack:
    """Versions that are asked for; everything else is the newest that goes with them.

    Args:
        python: Version of Python.
        wanted: Requirements that narrow those of actsearch.
        lowest: Whether everything that actsearch requires is as old as it allows.
    """

    python: str = NEWEST
    wanted: tuple[str, ...] = ()
    lowest: bool = False


SQLALCHEMY = "sqlalchemy>=2.0.40,<2.1"  # 2.1 came after old versions of MLflow, which do not work with it
STACKS = {
    "newest": Stack(),
    "floor": Stack(lowest=True, wanted=(SQLALCHEMY,)),
    "Python 3.12": Stack("3.12"),
    "Python 3.13": Stack("3.13"),
    "Python 3.12, floor": Stack("3.12", lowest=True, wanted=(SQLALCHEMY,)),
    **{f"TensorFlow 2.{minor}": Stack(wanted=(f"tensorflow==2.{minor}.*",)) for minor in range(18, 22)},
    **{f"MLflow 3.{minor}": Stack(wanted=(f"mlflow==3.{minor}.*", SQLALCHEMY)) for minor in range(18)},
}


def run(*command: object, folder: Path = ROOT, seconds: float = 600) -> tuple[int, str]:
    """Runs a command; returns its status, and what it printed."""
    environment = {n: v for n, v in os.environ.items() if n not in ("VIRTUAL_ENV", "PYTHONPATH")}
    of_pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser().glob("versions/3.*/bin")
    path = os.pathsep.join([environment["PATH"], *map(str, of_pyenv)])
    environment |= {"UV_PYTHON_DOWNLOADS": "never", "PATH": path}
    try:
        done = subprocess.run(
            [str(each) for each in command],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired as error:
        return 124, f"{error.stdout or ''}\nnot finished within {seconds:g} s"
    return done.returncode, done.stdout + done.stderr


def built(folder: Path) -> Path:
    """Builds the wheel of this checkout."""
    status, said = run("uv", "build", "--out-dir", folder, ROOT)
    if status:
        sys.exit(said)
    return next(folder.glob("*.whl"))


def install(stack: Stack, wheel: Path, folder: Path, testers: Sequence[str] = ()) -> dict[str, Any]:
    """Makes the environment of a stack; returns whether that worked, its seconds (packages cached or not) and bytes."""
    shutil.rmtree(folder, ignore_errors=True)
    status, said = run("uv", "venv", "-q", "--python", stack.python, folder)
    if status:
        return {"installs": False, "why": said.strip()[-300:]}
    start, add = time.perf_counter(), ("uv", "pip", "install", "-q", "--python", folder / "bin" / "python")
    own = ["--resolution", "lowest-direct", *requirements("options", "install_requires")] if stack.lowest else []
    steps = [
        [*add, "--only-binary", ":all:", *own, *stack.wanted],
        [*add, "--only-binary", ":all:", wheel, *stack.wanted],
    ]
    for command in (
        steps if stack.lowest else steps[1:]
    ):  # only what is named is direct: then the wheel is there already
        status, said = run(*command, seconds=1800)
        if status:
            return {"installs": False, "why": said.strip()[-300:]}
    seconds, size = time.perf_counter() - start, num_bytes(folder)
    if testers:
        needed = [each for each in requirements("options.extras_require", "test") if each.partition(" ")[0] in testers]
        status, said = run(*add, *needed, seconds=1800)
        status, said = run(*add, "--no-deps", "-e", ROOT) if status == 0 else (status, said)
        if status:
            return {"installs": False, "why": said.strip()[-300:]}
    return {"installs": True, "install_seconds": round(seconds), "megabytes": round(size / 1e6)}


def requirements(section: str, key: str) -> list[str]:
    """The packages that setup.cfg lists somewhere, with their bounds."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    return config[section][key].strip().splitlines()


def num_bytes(folder: Path) -> int:
    """Size of the files of an environment."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


def quick_start(python: Path) -> dict[str, Any]:
    """Runs the quick start in an empty folder; returns its seconds, scores and the versions that it ran with."""
    status, said = run(python, ROOT / ".ci" / "smoke.py", "--epochs", "5", "--executions", "2")
    if status:
        return {"quick_start": False, "why": said.strip()[-600:]}
    return {"quick_start": True, **json.loads(re.findall(r'^{"python".*', said, re.M)[-1])}


def tests(python: Path, which: str) -> dict[str, Any]:
    """Runs the fast or the slow tests; returns how many passed and failed, and which failed."""
    marker = {"fast": "not slow", "slow": "slow"}[which]
    status, said = run(python, "-m", "pytest", "-n", "2", "-m", marker, "-p", "no:cacheprovider", seconds=5400)
    counts = {name: int(number) for number, name in re.findall(r"(\d+) (passed|failed|errors?|skipped)", said[-300:])}
    failed = sorted(set(re.findall(r"^(?:FAILED|ERROR) (\S+)", said, re.M)))
    return {"status": status, **counts, "which": failed[:50]}


def measure(name: str, wheel: Path, folder: Path, which: Iterable[str]) -> dict[str, Any]:
    """Measures one stack."""
    stack, place = STACKS[name], folder / re.sub(r"\W+", "-", name)
    found = {"date": time.strftime("%Y-%m-%d"), **install(stack, wheel, place, TESTERS if which else ())}
    if found["installs"]:
        found |= quick_start(place / "bin" / "python")
        found |= {f"{each}_tests": tests(place / "bin" / "python", each) for each in which}
    shutil.rmtree(place, ignore_errors=True)
    return found


IMPORTS = (
    "keras_tuner", "matplotlib.pyplot", "mlflow", "numpy", "pandas", "pydantic", "pyarrow", "rich.console",
    "scipy.special", "scipy.stats", "sklearn", "tensorflow", "typer", "actsearch", "actsearch.tuning.api",
    "actsearch.cli",
)  # fmt: skip


def imports(repeats: int = 3) -> dict[str, dict[str, float]]:
    """Seconds of processor time and megabytes of resident memory of each import in a fresh process, the median of some.

    The processor time depends less than the other on what else the machine does.
    """
    code = "import time, psutil; s = time.process_time(); m = psutil.Process().memory_info().rss; import {};"
    code += "print('cost', time.process_time() - s, psutil.Process().memory_info().rss - m)"
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in IMPORTS}
    for _ in range(repeats + 1):  # the first reads the files
        for name in IMPORTS:
            status, said = run(sys.executable, "-c", code.format(name), folder=Path(tempfile.gettempdir()))
            cost = re.search(r"^cost (\S+) (\S+)$", said, re.M)
            if status or cost is None:
                sys.exit(said)
            seconds, size = cost.groups()
            taken[name].append((float(seconds), float(size)))
    return {
        name: {
            "seconds": round(statistics.median(s for s, _ in each[1:]), 2),
            "megabytes": round(statistics.median(m for _, m in each[1:]) / 1e6),
        }
        for name, each in taken.items()
    }


def table(stacks: dict[str, Any]) -> str:
    """The table of the stacks."""
    columns = ["stack", "Python", "TensorFlow, Keras", "NumPy, pandas", "MLflow", "installs", "quick start"]
    columns += ["fast tests", "slow tests", "date"]
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for name in STACKS:
        if name not in stacks:
            continue
        one = stacks[name]
        installs = f"yes, {one['megabytes']:,} MB" if one["installs"] else "no"
        pairs = [(one.get(a, ""), one.get(b, "")) for a, b in (("tensorflow", "keras"), ("numpy", "pandas"))]
        versions = [one.get("python", STACKS[name].python), *(", ".join(filter(None, pair)) for pair in pairs)]
        started = {True: "works", False: "fails"}.get(one.get("quick_start"), "")
        cells = [name, *versions, one.get("mlflow", ""), installs, started]
        cells += [outcome(one.get(f"{which}_tests")) for which in ("fast", "slow")]
        lines.append("| " + " | ".join([*cells, one["date"]]) + " |")
    return "\n".join(lines)


def outcome(found: dict[str, Any] | None) -> str:
    """A cell about tests."""
    if found is None:
        return ""
    bad = found.get("failed", 0) + found.get("errors", 0) + found.get("error", 0)
    return f"{found.get('passed', 0):,} pass" + (f", {bad} fail" if bad else "")


def import_table(found: dict[str, dict[str, float]]) -> str:
    """The table of the imports."""
    lines = ["| import | seconds | MB |", "|---|---|---|"]
    return "\n".join(
        lines + [f"| `{name}` | {one['seconds']:.2f} | {one['megabytes']} |" for name, one in found.items()]
    )


def write_page(results: dict[str, Any]) -> None:
    """Puts the tables between their marks."""
    text = PAGE.read_text("utf-8")
    for mark, lines in (
        ("stacks", table(results.get("stacks", {}))),
        ("imports", import_table(results.get("imports", {}))),
    ):
        text = re.sub(rf"(<!-- {mark} -->\n).*?(<!-- end -->)", rf"\g<1>{lines}\n\g<2>", text, count=1, flags=re.S)
    PAGE.write_text(text, "utf-8")


def main() -> None:
    """Measures, and writes what was found."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("stacks", nargs="*", choices=[[], *STACKS], metavar="STACK")
    options.add_argument("--tests", action="append", choices=["fast", "slow"], default=[])
    options.add_argument(
        "--folder", type=Path, help="where environments are made; on the disk of uv's cache, they are links"
    )
    options.add_argument("--imports", action="store_true")
    given = options.parse_args()
    results = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {"stacks": {}, "imports": {}}
    if given.imports:
        results["imports"] = imports()
    else:
        folder = Path(tempfile.mkdtemp(dir=given.folder))
        try:
            wheel = built(folder)
            for name in given.stacks or STACKS:
                before = {n: v for n, v in results["stacks"].get(name, {}).items() if n.endswith("_tests")}
                results["stacks"][name] = before | measure(name, wheel, folder, given.tests)
                print(name, json.dumps(results["stacks"][name]), flush=True)
                RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
        finally:
            shutil.rmtree(folder)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    write_page(results)


if __name__ == "__main__":
    main()
