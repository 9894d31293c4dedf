"""Records where a search ran: versions, machine and git commit, so that it can be repeated."""

import os
import platform
import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from actsearch._redact import mask

PACKAGES = ("actsearch", "tensorflow", "keras", "keras-tuner", "mlflow", "numpy")


def describe_environment() -> dict[str, Any]:
    """Describes versions, hardware, git commit and command line as plain data.

    Environment variables are omitted, and passwords in the command line are masked.

    Example:

    >>> sorted(describe_environment())
    ['command', 'cpu', 'cpu_count', 'git_commit', 'memory_bytes', 'packages', 'platform', 'python',
    'working_directory']
    """
    return {
        "packages": package_versions(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": _cpu_name(),
        "cpu_count": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "git_commit": git_commit(),
        "command": shlex.join([Path(sys.argv[0]).name, *map(mask, sys.argv[1:])]),
        "working_directory": str(Path.cwd()),
    }


def package_versions() -> dict[str, str | None]:
    """Returns the versions of the packages that results depend on; None for one that is not installed."""
    return {name: _version(name) for name in PACKAGES}


def num_cores() -> int:
    """Returns the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def git_commit(folder: str | Path = ".") -> str | None:
    """Returns the commit that is checked out, with `-dirty` where files were changed; None outside a repository."""
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
