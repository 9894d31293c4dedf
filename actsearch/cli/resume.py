"""`actsearch resume`: runs the command that started a search again, in its directory, also with more executions."""

import os
import re
import shlex
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from actsearch.cli.inputs import num_workers_of
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
        list[str] | None,
        typer.Option(
            help="Extend the search for these activations only: selu,elu; may be repeated.", show_default="all"
        ),
    ] = None,
    tracking_uri: Annotated[
        str | None,
        typer.Option(help="Address of the MLflow store, if it needs a password.", show_default="the search's own"),
    ] = None,
    workers: Annotated[
        str | None, typer.Option(help="Number of parallel worker processes, or auto.", show_default="as before")
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(help="Run workers on this Ray cluster: HOST:PORT, auto or local.", show_default="as before"),
    ] = None,
) -> None:
    """Resume an interrupted search, or extend one that has ended.

    The baseline always gets as many executions as the others.

    The chance of any wrong claim stays below alpha over all looks at the results, earlier ones included.
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
        without = (*_ON_RAY, "--max-retries") if num_workers_of(workers) == 0 else _ON_RAY  # which needs workers
        arguments = [*_without(arguments, "--workers", *without), "--workers", workers]
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
    search: "SearchRecord",
    executions: int | None,
    until_decided: bool,
    max_executions: int | None,
    only: list[str] | None,
) -> list[str]:
    """Returns the options that extend a search, or those of its last extension; empty if there are none."""
    from actsearch.analysis.schedule import number_of

    if executions is not None and until_decided:
        raise UsageError("--executions and --until-decided contradict each other. Omit one of them.")
    if max_executions is not None and not until_decided:
        raise UsageError("--max-executions would be ignored without --until-decided. Add it, or give --executions.")
    if executions is None and not until_decided:
        if only:
            raise UsageError("--only needs --executions N or --until-decided: what are they to get?")
        last = search.extensions[-1] if search.extensions else None
        if last is None:
            return []
        until_decided, executions = last.allocation == "race", last.executions
        max_executions, only = last.max_executions, list(last.only)
    numbers = ["--executions", str(executions)]
    if until_decided:
        most = max_executions or max(MAX_EXECUTIONS, 2 * num_seeds(search), number_of(search)[1] or 0)
        numbers = ["--allocation", "race", "--max-executions", str(most)]
    labels = labels_of(only or [], {trial.activation for trial in search.trials})
    return [*numbers, *(word for label in labels for word in ("--only", label))]


def labels_of(only: Sequence[str], known: Collection[str]) -> list[str]:
    """Returns the labels of activations in the values of `--only`: a label, or several between commas.

    A label may have commas itself, those of parameters. Where layers have different activations, arrows join them:
    `selu→relu`, or `selu->relu` as it is easier to type.

    Example:

    >>> labels_of(["selu,leaky_relu(negative_slope=0.2, max_value=6)", "relu->elu"], {"selu", "relu→elu"})
    ['selu', 'leaky_relu(negative_slope=0.2, max_value=6)', 'relu→elu']
    """
    only = [text.replace("->", "→") for text in only]
    split = ([text] if text in known else re.split(r",(?![^(]*\))", text) for text in only)
    return list(dict.fromkeys(label.strip() for labels in split for label in labels))


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
