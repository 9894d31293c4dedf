"""Records where a search ran: versions, machine and git commit, so that it can be repeated."""

import os
import platform
import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from actsearch._redact import mask


class _Container(NamedTuple):
    """Where a control group of Linux says what memory its processes may take."""

    folder: Path
    limit: str
    used: str
    files: str


_GROUPS = Path("/sys/fs/cgroup")
_CONTAINERS = (
    _Container(_GROUPS, "memory.max", "memory.current", "inactive_file"),
    _Container(_GROUPS / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
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


def free_memory() -> int:
    """Returns the bytes of memory that this process may still take: what is free, within the limit of its container."""
    return min([psutil.virtual_memory().available, *filter(None, map(_free_in, _CONTAINERS))])


def git_commit(folder: str | Path = ".") -> str | None:
    """Returns the commit that is checked out, with `-dirty` where files were changed; None outside a repository."""
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def _free_in(container: _Container) -> int | None:
    """Returns the bytes below the limit of a container; None where it sets no limit."""
    try:
        limit, used = ((container.folder / name).read_text() for name in (container.limit, container.used))
        stat = dict(line.split() for line in (container.folder / "memory.stat").read_text().splitlines())
    except OSError:
        return None
    # Files that were read are counted as used until their memory is needed.
    return max(int(limit) - int(used) + int(stat[container.files]), 0) if limit.strip().isdigit() else None


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
