"""`actsearch resume`: runs the command that started a search again, in its directory, also with more executions."""

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from actsearch.config import MAX_EXECUTIONS
from actsearch.errors import UsageError

if TYPE_CHECKING:
    from actsearch.records import SearchRecord

_ON_RAY = ("--address", "--gpus-per-worker")
_NUMBERS = ("--executions", "--allocation", "--max-executions", "--only")


def resume(
    context: typer.Context,
    directory: Annotated[Path, typer.Argument(help="Directory of a search.")],
    executions: Annotated[
        int | None, typer.Option(help="Extend the search to this many executions of each trial.", show_default=False)
    ] = None,
    until_decided: Annotated[
        bool, typer.Option("--until-decided", help="Extend the search until every trial is decided, as a race.")
    ] = False,
    max_executions: Annotated[
        int | None, typer.Option(help="With --until-decided: maximum number for each trial.", show_default="30")
    ] = None,
    only: Annotated[
        str | None, typer.Option(help="Extend the search for these activations only: selu,elu.", show_default=False)
    ] = None,
    tracking_uri: Annotated[
        str | None, typer.Option(help="MLflow store, if it needs a password.", show_default="the search's own")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Number of parallel worker processes.", show_default="as before")
    ] = None,
    address: Annotated[str | None, typer.Option(help="Ray cluster.", show_default="as before")] = None,
) -> None:
    """Resume an interrupted search, or extend one that has ended.

    The baseline always gets as many executions as the others. What was looked at before is accounted for: the chance of
    any wrong claim over all looks stays below alpha.
    """
    from actsearch.ledger import Ledger
    from actsearch.tracking.store import recorded_address

    search = Ledger(directory).read()
    environment = search.environment
    arguments = [*_arguments(environment["command"], directory), "--directory", str(directory.absolute())]
    extension = _extension(search, executions, until_decided, max_executions, only)
    if extension:
        arguments = [*_without(arguments, *_NUMBERS), *extension]
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


def _extension(
    search: "SearchRecord", executions: int | None, until_decided: bool, max_executions: int | None, only: str | None
) -> list[str]:
    """Returns the options that extend a search, or those of its last extension; empty if there are none."""
    if executions is not None and until_decided:
        raise UsageError("--executions and --until-decided contradict each other. Omit one of them.")
    if max_executions is not None and not until_decided:
        raise UsageError("--max-executions would be ignored without --until-decided. Add it, or give --executions.")
    if executions is None and not until_decided:
        if only is not None:
            raise UsageError("--only needs --executions N or --until-decided: what are they to get?")
        last = search.extensions[-1] if search.extensions else None
        if last is None:
            return []
        until_decided, executions = last.allocation == "race", last.executions
        max_executions, only = last.max_executions, ",".join(last.only)
    numbers = ["--executions", str(executions)]
    if until_decided:
        most = max_executions or max(MAX_EXECUTIONS, 2 * num_seeds(search))
        numbers = ["--allocation", "race", "--max-executions", str(most)]
    return [*numbers, *(["--only", only] if only else [])]


def num_seeds(search: "SearchRecord") -> int:
    """Returns the largest number of an execution."""
    return max((e.execution for trial in search.trials for e in trial.executions), default=0)


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
