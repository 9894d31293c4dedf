"""`actsearch.search`: a whole search in one call."""

import inspect
from typing import Any

import keras

from actsearch.data import check_arrays, split_arrays
from actsearch.errors import UsageError
from actsearch.spaces import SpaceLike, load_space
from actsearch.swap.searched_model import SearchedModel
from actsearch.tuning.result import SearchResult
from actsearch.tuning.tuner import ActivationTuner

DEFAULT_SPACE = "relu_variants"


def search(
    model_or_build: Any,
    x: Any,
    y: Any = None,
    *,
    space: SpaceLike | None = None,
    validation_data: Any = None,
    test_data: Any = None,
    seed: int = 0,
    **options: Any,
) -> SearchResult:
    """Searches the activation function of a Keras model.

    Args:
        model_or_build: A compiled Sequential or Functional model, which is not changed; or a build function
            `build(hp)` that calls `actsearch.choose`.
        x, y: The data: arrays, or nested structures of them. Without `validation_data` a fifth of the samples is
            kept for validation and a fifth for the test, classes in the same shares.
        space: The search space of a model: a name, a list of activations, a path or a dict, `relu_variants` if
            omitted; a build function names its own.
        validation_data, test_data: `(x, y)`, where the data is divided already.
        seed: Divides the data, and reaches weights, dropout and the order of the data.
        **options: What `ActivationTuner` and its `search` take: `objective`, `executions`, `epochs`, `batch_size`,
            `oracle`, `max_trials`, `directory`, `overwrite`, `tracking_uri`, `experiment`, `callbacks` ... The
            objective of a model is `val_accuracy` where it is compiled with an accuracy, else `val_loss`.

    Returns:
        Trials, the best of them, and where everything is written.

    Raises:
        UsageError: The search is meaningless as asked; nothing was trained.
        SearchFailedError: Not one execution completed.
    """
    build = model_or_build
    if isinstance(model_or_build, keras.Model):
        build = SearchedModel(model_or_build, load_space(DEFAULT_SPACE if space is None else space))
        options.setdefault("objective", default_objective(model_or_build))
    elif space is not None:
        raise UsageError("A build function names its search space itself, in choose(hp, space): leave space out.")
    names = inspect.signature(ActivationTuner).parameters
    tuner_options = {name: options.pop(name) for name in list(options) if name in names}
    tuner = ActivationTuner(build, seed=seed, **tuner_options)
    if validation_data is None and y is not None and not options.get("validation_split"):
        if options.get("sample_weight") is not None:
            raise UsageError("sample_weight goes with data that is divided already: pass validation_data=(x, y) too.")
        x, y = check_arrays(x, y)
        (x, y), validation_data, held_out = split_arrays(x, y, seed=seed)
        test_data = held_out if test_data is None else test_data
    return tuner.search(x, y, validation_data=validation_data, test_data=test_data, **options)


def default_objective(model: keras.Model) -> str:
    """`val_accuracy` where the model is compiled with an accuracy, else `val_loss`."""
    config = model.get_compile_config() or {}
    names = [getattr(m, "name", m) for m in keras.tree.flatten(config.get("metrics")) if m is not None]
    return "val_accuracy" if {"accuracy", "acc"} & {str(name) for name in names} else "val_loss"
