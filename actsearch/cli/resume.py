"""`actsearch resume`: runs the command that started a search again, in its directory."""

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from actsearch.errors import UsageError

_ON_RAY = ("--address", "--gpus-per-worker")


def resume(
    context: typer.Context,
    directory: Annotated[Path, typer.Argument(help="Directory of an interrupted search.")],
    tracking_uri: Annotated[
        str | None, typer.Option(help="MLflow store, if it needs a password.", show_default="the search's own")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Number of parallel worker processes.", show_default="as before")
    ] = None,
    address: Annotated[str | None, typer.Option(help="Ray cluster.", show_default="as before")] = None,
) -> None:
    """Resume an interrupted search."""
    from actsearch.ledger import Ledger
    from actsearch.tracking.store import recorded_address

    environment = Ledger(directory).read().environment
    arguments = [*_arguments(environment["command"], directory), "--directory", str(directory.absolute())]
    if workers is not None:
        without = _ON_RAY if workers else (*_ON_RAY, "--max-retries")  # which needs workers
        arguments = [*_without(arguments, "--workers", *without), "--workers", str(workers)]
        arguments += ["--address", address] if address else []
    elif address is not None:
        arguments = [*_without(arguments, "--address"), "--address", address]
    if "tracking_uri" in environment:
        store = recorded_address(environment, tracking_uri)
        arguments += ["--tracking-uri", store.tracking_uri, "--experiment", store.experiment]
    folder = Path(environment["working_directory"])
    if not folder.is_dir():
        raise UsageError(
            f"The search was started in {folder}, which no longer exists. Run the same command in the folder that has "
            f"its files, with --directory {directory}: {environment['command']}"
        )
    os.chdir(folder)
    program = context.find_root().command
    raise typer.Exit(int(program.main(arguments, "actsearch", standalone_mode=False) or 0))


def _arguments(command: str, directory: Path) -> list[str]:
    """Returns the arguments of `actsearch`; of a repeated option, the last one counts."""
    program, *arguments = shlex.split(command)
    if program != "actsearch" or "search" not in arguments[:1]:
        raise UsageError(
            f"This search was started by your own program: {command}. Run that again with "
            f"directory={str(directory)!r}: it resumes where it ended."
        )
    return [argument for argument in arguments if argument != "--overwrite"]


def _without(arguments: list[str], *options: str) -> list[str]:
    """Removes options and their values, which follow after = or as the next argument."""
    kept = [a for a in arguments if a.partition("=")[0] not in options or a in options]
    return [a for a, before in zip(kept, ["", *kept], strict=False) if a not in options and before not in options]
