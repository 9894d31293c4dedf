"""`actsearch export`: writes a trained model of a search to a file."""

import contextlib
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from actsearch.errors import SearchFailedError, UnknownNameError, UsageError

if TYPE_CHECKING:
    from actsearch.data import Dataset, Preparation
    from actsearch.records import SearchRecord, TrialRecord


def export(
    context: typer.Context,
    directory: Annotated[Path, typer.Argument(help="Directory of a search.")],
    file: Annotated[Path, typer.Argument(help="The .keras file to write.")],
    trial: Annotated[
        str | None, typer.Option(help="Id of a trial.", show_default="the best; with --refit the recommended one")
    ] = None,
    refit: Annotated[
        bool, typer.Option("--refit", help="Train again, on all data of the search; no score is known then.")
    ] = False,
) -> None:
    """Write a trained model to a .keras file: the best of the search, or one trained on all data."""
    from actsearch.tuning.result import load_result

    if file.suffix != ".keras":
        raise UsageError(f"{file}: Keras loads models only from .keras files. Use a name that ends in .keras.")
    result = load_result(directory)
    search = result.record
    if search.best is None:
        raise SearchFailedError(f"{directory}: no execution has completed yet, so no model was trained.")
    trials = {each.trial_id: each for each in search.trials}
    if trial is not None and trial not in trials:
        raise UnknownNameError("trial", trial, list(trials), str(directory))
    if refit:
        _refit(context, directory, file.absolute(), trial)
        return
    chosen = search.best if trial is None else trials[trial]
    _copy(directory, file, chosen)
    print(f"{file}: {result.describe_model(chosen.trial_id)}.")
    print("To load it: import actsearch.layers, then keras.saving.load_model.")
    if how := _preparation_of(search):
        print(
            f"Its inputs are prepared as in the search ({how}), which the model does not do itself. With --refit, a "
            "file that does so is written beside the model."
        )


def _preparation_of(search: "SearchRecord") -> str:
    """Says how the command line prepared the inputs of a search; empty if it did not."""
    by_command = str(search.environment.get("command", "")).startswith("actsearch search")
    steps = str(search.data.get("summary", "")).split("; ")
    return "; ".join(step for step in steps if "standardised" in step or "divided by" in step) if by_command else ""


def _copy(directory: Path, file: Path, trial: "TrialRecord") -> None:
    from actsearch.tracking.store import model_file

    saved = model_file(directory, trial.trial_id)
    if not saved.is_file():
        raise UsageError(
            f"{directory}: the model of trial {trial.trial_id} ({trial.activation}) was not saved. Models are saved "
            "when a search with log_models best (the default) or all is completed. With --refit, it is trained again."
        )
    try:
        shutil.copyfile(saved, file)
    except OSError as error:
        raise _cannot_write(file, error) from error


def _cannot_write(file: Path, error: OSError) -> UsageError:
    return UsageError(f"{file}: cannot be written: {error.strerror or error}.")


def _refit(context: typer.Context, directory: Path, file: Path, trial_id: str | None) -> None:
    """Trains on all data, and writes the model and, beside it, how samples are prepared for it."""
    from actsearch.tuning.result import load_result

    search = load_result(directory).record
    options = _recorded_options(context, search, directory)
    _check_writable(file)
    directory, folder = directory.absolute(), Path(search.environment["working_directory"])
    if not folder.is_dir():
        raise UsageError(f"The search was started in {folder}, which has its files but no longer exists. Restore it.")
    with contextlib.chdir(folder):
        data, prepare, build = _problem(search, options)
        result = load_result(directory, build=getattr(build, "build", build))
        model = result.refit(data.x_train, data.y_train, trial_id=trial_id)
    beside = file.with_suffix(".preparation.json")
    try:
        model.save(file)
        prepare.save(beside)
    except OSError as error:
        raise _cannot_write(file, error) from error
    print(f"{file}: trained on {len(data.x_train):,} samples. No score of it is known.")
    print(f"{beside}: how its inputs and outputs are scaled, which it does not do itself. To use both:\n")
    print(_usage(file, beside))


def _check_writable(file: Path) -> None:
    try:
        with file.open("ab"):
            pass
    except OSError as error:
        raise _cannot_write(file, error) from error
    if not file.stat().st_size:
        file.unlink()


def _usage(file: Path, beside: Path) -> str:
    return (
        "  import keras, actsearch.layers\n"
        "  from actsearch.data import load_preparation\n"
        f'  model, prepare = keras.saving.load_model("{file}"), load_preparation("{beside}")\n'
        "  prepare.target(model.predict(prepare(x)))  # x as in the source of the data\n"
    )


def _recorded_options(context: typer.Context, search: "SearchRecord", directory: Path) -> Mapping[str, Any]:
    """Returns the options of the command that started the search."""
    command = search.environment.get("command", "")
    program, *arguments = shlex.split(command) or [""]
    if program != "actsearch" or arguments[:1] != ["search"]:
        raise UsageError(
            f"{directory}: this search was started by your own program ({command or 'unknown'}), which alone has its "
            "data. Call result.refit(x, y) there; actsearch.load_result(directory, build=...) gives the result."
        )
    group = context.find_root().command
    assert isinstance(group, TyperGroup)
    return group.commands["search"].make_context("search", arguments[1:]).params


def _problem(search: "SearchRecord", options: Mapping[str, Any]) -> "tuple[Dataset, Preparation, Any]":
    """Loads all data, and returns it with its preparation and the hypermodel of the search."""
    from actsearch.cli.inputs import hypermodel_of, import_all, model_options

    import_all()
    from actsearch.data import load_all

    task = options["task"] or search.data.get("task")
    data, prepare = load_all(options["data"], target=options["target"], task=task, groups=options["groups"])
    if data.fingerprint != search.data.get("fingerprint", data.fingerprint):
        typer.echo(f"The data of {options['data']} have changed since the search, which may be intended.", err=True)
    build, _ = hypermodel_of(data, options["model"], options["space"], *model_options(options))
    return data, prepare, build
