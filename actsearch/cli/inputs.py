"""The data, the model and the workers that `actsearch search` is given."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actsearch.errors import ModelError, UsageError

if TYPE_CHECKING:
    from actsearch.data import Dataset
    from actsearch.executors import Auto, Local, Ray
    from actsearch.swap.networks import OutputSpec
    from actsearch.tuning.progress import Reporter

DEFAULT_SPACE = "relu_variants"


def check_used(model: str, network: Mapping[str, Any], existing: Mapping[str, Any]) -> None:
    """Rejects options that the model would ignore.

    Raises:
        UsageError: An option would be ignored.
    """
    is_ours = not model.endswith(".keras") and ":" not in model
    for options, applies, where in ((network, is_ours, "mlp and cnn"), (existing, not is_ours, "models of your own")):
        if options and not applies:
            flags = ", ".join(f"--{name.replace('_', '-')}" for name in options)
            raise UsageError(f"{flags} would be ignored: they apply only to {where}, not to {model}. Omit them.")


def problem_of(
    data: str,
    splits: str | None,
    how_to_load: Mapping[str, Any],
    model: str,
    space: str | None,
    network: Mapping[str, Any],
    existing: Mapping[str, Any],
    reporter: "Reporter",
) -> "tuple[Dataset, Any, Any]":
    """Loads the data, and returns it with the hypermodel and the default objective.

    Args:
        data: The source.
        splits: How the data is divided; None for each execution, unless it is divided already.
        how_to_load: Other arguments of `load_data`.
        model, space, network, existing: The options for the model.
        reporter: Shows a summary of the data.
    """
    check_used(model, network, existing)
    import_all()
    from actsearch.data import load_data

    dataset = load_data(data, splits=splits, **how_to_load)
    reporter.message(dataset.summary)
    return dataset, *hypermodel_of(dataset, model, space, network, existing)


def import_all() -> None:
    """Imports TensorFlow, and everything that trains, without garbage collection."""
    from actsearch._startup import exempt_imports, load_tensorflow, resting

    load_tensorflow()
    with resting():
        from actsearch.tuning import tuner  # noqa: F401  every search needs it

    exempt_imports()


def hypermodel_of(
    dataset: "Dataset", model: str, space: str | None, network: Mapping[str, Any], existing: Mapping[str, Any]
) -> tuple[Any, Any]:
    """Returns the hypermodel and the default objective for a data set; arguments as for `problem_of`."""
    from actsearch.swap.networks import output_for

    output = output_for(dataset.task, dataset.num_classes)
    if model.endswith(".keras") or ":" in model:
        return _users_model(model, space, existing, dataset, output.objective)
    return _network(model, space, network, dataset, output), output.objective


def model_options(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns those options that a network of ours and an existing model take, as far as the user gave them."""
    ours = ("layers", "units", "dropout", "learning_rate", "batch_norm")
    existing = ("weights", "include_frozen", "include_recurrent")
    network, own = (
        {n: options[n] for n in names if options[n] is not None and options[n] is not False}
        for names in (ours, existing)
    )
    return network, own


def _network(
    model: str, space: str | None, network: Mapping[str, Any], dataset: "Dataset", output: "OutputSpec"
) -> Any:
    from actsearch.spaces import load_space
    from actsearch.swap.networks import NetworkOptions, network_builder

    loaded = load_space(space or DEFAULT_SPACE)
    return network_builder(model, loaded, dataset.input_shape, output, NetworkOptions(**network))


def _users_model(
    name: str, space: str | None, existing: Mapping[str, Any], dataset: "Dataset", objective: Any
) -> tuple[Any, Any]:
    """Returns the hypermodel and the default objective for a model of the user's."""
    from actsearch._user_code import import_object
    from actsearch.swap.searched_model import SearchedModel
    from actsearch.training.objectives import default_objective
    from actsearch.tuning.api import hypermodel_for

    if ":" in name:
        sys.path.insert(0, str(Path.cwd()))  # also for modules that it imports when it is called
        model = import_object(name, "function that builds the model")
    else:
        model = _existing_model(name, dataset)
    build = hypermodel_for(model, space, existing, lambda: (dataset.x_train[:2], dataset.y_train[:2]))
    return build, default_objective(build.model) if isinstance(build, SearchedModel) else objective


def _existing_model(file: str, dataset: "Dataset") -> Any:
    from actsearch.swap.user_model import load_user_model

    model = load_user_model(file)
    if isinstance(model.input_shape, tuple) and tuple(model.input_shape[1:]) != dataset.input_shape:
        raise ModelError(
            f"{file} takes samples of shape {tuple(model.input_shape[1:])}, but those of {dataset.name} have the shape "
            f"{dataset.input_shape}. Give data of the model's shape, for example with package.module:function."
        )
    return model


def workers_of(
    *,
    isolate: bool,
    timeout: float | None,
    workers: str,
    address: str | None,
    gpus: float | None,
    max_retries: int | None,
) -> "Local | Ray | Auto | None":
    """Returns where executions run: on Ray if an address is given, else in processes on this machine.

    Returns:
        The executor; None for this process.

    Raises:
        UsageError: The other options make an option meaningless.
    """
    from actsearch.executors import Auto, Local, Ray

    num = num_workers_of(workers)
    is_isolated = num == 0 and (isolate or timeout is not None)
    if address is not None and not num:
        raise UsageError("--address is for workers. Give their number too: --workers 2.")
    if gpus is not None and address is None:
        raise UsageError("--gpus-per-worker is for workers on Ray. Give an address too: --workers 2 --address local.")
    if max_retries is not None and num == 0 and not is_isolated:
        raise UsageError("--max-retries is for executions in other processes. Give --workers or --isolate too.")
    if is_isolated:
        return Local(1, timeout=timeout, max_retries=max_retries or 0)
    retries = 1 if max_retries is None else max_retries
    if num is None:
        return Auto(isolated=isolate, timeout=timeout, max_retries=retries)
    if address is not None:
        return Ray(num, address=address, gpus=gpus, timeout=timeout, max_retries=retries)
    return Local(num, timeout=timeout, max_retries=retries) if num else None


def num_workers_of(workers: str) -> int | None:
    """Parses the number of workers; None for `auto`.

    Raises:
        UsageError: The text is neither.

    Example:

    >>> num_workers_of("4"), num_workers_of("auto")
    (4, None)
    """
    if workers == "auto":
        return None
    try:
        return int(workers)
    except ValueError:
        raise UsageError(f"--workers {workers!r} is not a number of processes. Write 0, 1, 2, ... or auto.") from None
