"""`actsearch resume`: the command that a search was begun with, run again in its directory."""

import os
import shlex
from pathlib import Path
from typing import Any

from actsearch.errors import UsageError

_ON_RAY = ("--address", "--gpus-per-worker")


def run(program: Any, directory: Path, tracking_uri: str | None, workers: int | None, address: str | None) -> int:
    """Goes on with the search in a directory, on other workers where they are given; the exit status."""
    from actsearch.ledger import Ledger
    from actsearch.tracking.store import recorded_address

    begun = Ledger(directory).read().environment
    store = recorded_address(begun, tracking_uri)
    arguments = [*_arguments(begun["command"], directory), "--directory", str(directory.absolute())]
    if workers is not None:
        without = _ON_RAY if workers else (*_ON_RAY, "--max-retries")  # which would mean nothing
        arguments = [*_without(arguments, "--workers", *without), "--workers", str(workers)]
        arguments += ["--address", address] if address else []
    elif address is not None:
        arguments = [*_without(arguments, "--address"), "--address", address]
    arguments += ["--tracking-uri", store.tracking_uri, "--experiment", store.experiment]
    folder = Path(begun["working_directory"])
    if not folder.is_dir():
        raise UsageError(
            f"The search was begun in {folder}, which is not there any more. Run the same command with "
            f"--directory {directory} where its files are: {begun['command']}"
        )
    os.chdir(folder)
    return int(program.main(arguments, "actsearch", standalone_mode=False) or 0)


def _arguments(command: str, directory: Path) -> list[str]:
    """What stood behind `actsearch`; of options that come twice the last one counts."""
    program, *arguments = shlex.split(command)
    if program != "actsearch" or "search" not in arguments[:1]:
        raise UsageError(
            f"This search was begun by a program of yours: {command}. Run it again with directory={str(directory)!r}: "
            "it goes on where it ended."
        )
    return [argument for argument in arguments if argument != "--overwrite"]


def _without(arguments: list[str], *options: str) -> list[str]:
    """The arguments without these options and their values, which follow behind = or as the next argument."""
    kept = [a for a in arguments if a.partition("=")[0] not in options or a in options]
    return [a for a, before in zip(kept, ["", *kept], strict=False) if a not in options and before not in options]
