"""Starts Ray for a search and ends it afterwards, or joins a cluster that is already running."""

import logging
import os
import re
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from actsearch.errors import SearchFailedError, UsageError

_FOLDER = "actsearch-ray-{}-"  # with the id of the process that it belongs to
_LONGEST_ROOT = 18  # characters: Ray puts sockets into the folder, and their paths are limited to 103
_LONGEST_REASON = 300
_KNOCK_SECONDS = 10.0
_QUIET = {"log_to_driver": False, "logging_level": logging.ERROR}


def import_ray() -> Any:
    """Imports the package `ray`.

    Raises:
        UsageError: It is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise UsageError(
            "Ray is not installed. Install it with the extra: "
            'pip install "actsearch[ray]"; or use workers on this machine, Local(num), which do not need Ray.'
        ) from error
    return ray


def start_ray(num_cores: int) -> Path:
    """Starts Ray for this process: on 127.0.0.1, without dashboard, with token authentication.

    Args:
        num_cores: Number of cores that Ray may assign.

    Returns:
        The folder with Ray's files, for `end_ray`.

    Raises:
        SearchFailedError: Ray did not start.
    """
    _remove_orphans()
    root = tempfile.gettempdir()
    root = "/tmp" if len(root) > _LONGEST_ROOT and Path("/tmp").is_dir() else root
    folder = Path(tempfile.mkdtemp(prefix=_FOLDER.format(os.getpid()), dir=root))
    try:
        with _process_kept():
            import_ray().init(
                "local",
                num_cpus=num_cores,
                include_dashboard=False,
                _node_ip_address="127.0.0.1",
                _temp_dir=str(folder / "r"),  # Ray opens it to all users; the folder above is private
                **_QUIET,
            )
    except Exception as error:
        end_ray(folder)
        raise SearchFailedError(
            f"Ray did not start ({one_line(error)}). Its files go to {root}, which must have free space and allow "
            "sockets. Set TMPDIR to use another folder, or search with Local(num), which does not need Ray."
        ) from error
    return folder


def join_ray(address: str) -> None:
    """Joins a running cluster.

    Raises:
        UsageError: The cluster cannot be joined.
    """
    ray = import_ray()
    try:
        _knock(address)
        with _process_kept(mode=True):
            ray.init(address, **_QUIET)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise UsageError(
            f"No Ray cluster at {address} can be joined ({one_line(error)}). Start one with `ray start --head`, and "
            "give its address as HOST:PORT; or use workers on this machine, Local(num)."
        ) from error


def end_ray(folder: Path | None) -> None:
    """Disconnects from Ray, and ends it if it was started here.

    Args:
        folder: Result of `start_ray`; None for a cluster that was joined.
    """
    with _process_kept(mode=True):
        import_ray().shutdown(wait_for_processes=folder is not None)
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)


def one_line(error: BaseException) -> str:
    """Formats a Ray error in one line, without ids and addresses; of a traceback, only the last line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and not line.startswith("\t")]
    if any("Traceback" in line for line in lines):
        lines = lines[-1:]
    text = re.sub(r"\x1b\[\d+m", "", " ".join(lines)) or type(error).__name__
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]} ..."


def _knock(address: str) -> None:
    """Raises an OSError if nothing listens at HOST:PORT; Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), _KNOCK_SECONDS).close()


def _remove_orphans() -> None:
    """Deletes the folders of processes that were killed."""
    for folder in {Path("/tmp"), Path(tempfile.gettempdir())}:
        for ray_folder in folder.glob(_FOLDER.format("*") + "*"):
            owner = re.match(_FOLDER.format(r"(\d+)"), ray_folder.name)
            if owner and not psutil.pid_exists(int(owner[1])):
                shutil.rmtree(ray_folder, ignore_errors=True)


@contextmanager
def _process_kept(*, mode: bool = False) -> Iterator[None]:
    """Restores the SIGTERM handler and the environment that Ray changes, and makes Ray's new files private.

    Args:
        mode: Whether to keep the user's authentication mode; a cluster that actsearch starts always uses the token.
    """
    before = os.environ.get("RAY_AUTH_MODE")
    if not mode:
        os.environ.pop("RAY_AUTH_MODE", None)
    mask = os.umask(0o077)
    in_main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        os.umask(mask)
        if in_main:
            signal.signal(signal.SIGTERM, handler)
        os.environ.pop("RAY_AUTH_MODE", None)
        if before is not None:
            os.environ["RAY_AUTH_MODE"] = before
