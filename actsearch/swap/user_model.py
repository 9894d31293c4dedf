"""Loads a user's model from a `.keras` file without running code from the file."""

import warnings
import zipfile
from pathlib import Path
from typing import Any

import keras

import actsearch.layers  # noqa: F401 -- registers our layers, so that Keras finds them
from actsearch._private import keras_message
from actsearch.data.tables import check_unpacked
from actsearch.errors import ModelError, did_you_mean

_AGAIN = 'Write it with model.save("model.keras").'


def load_user_model(path: str | Path) -> Any:
    """Loads a model from a `.keras` file; files that contain code are refused.

    Args:
        path: The file that `model.save("name.keras")` wrote.

    Returns:
        The model, compiled if it was compiled when it was saved.

    Raises:
        ModelError: The file does not exist or is not a `.keras` file, or it has a Lambda layer with Python code or a
            user's layer, loss, metric or optimizer that is not registered with Keras.

    Example:

    >>> load_user_model("no_model.keras")
    Traceback (most recent call last):
    ...
    actsearch.errors.ModelError: The file no_model.keras does not exist...
    """
    path = Path(path)
    if not path.is_file():
        near = did_you_mean(path.name, [other.name for other in path.parent.glob("*.keras")])
        raise ModelError(f"The file {path} does not exist; expected a model saved as .keras.{near}")
    if path.suffix != ".keras":
        raise ModelError(
            f"{path} does not end in .keras. Load it with keras.models.load_model in your own code, and save it with "
            'model.save("model.keras").'
        )
    if not zipfile.is_zipfile(path):
        raise ModelError(f"{path} is not a .keras file, or is incomplete. {_AGAIN}")
    try:
        with zipfile.ZipFile(path) as archive:
            check_unpacked(path, sum(member.file_size for member in archive.infolist()), ModelError)
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", "Skipping variable loading for optimizer"
            )  # each execution starts its own
            return keras.models.load_model(path, safe_mode=True)
    except ModelError:
        raise
    except (zipfile.BadZipFile, OSError) as error:
        raise ModelError(f"{path} cannot be read: {keras_message(error)} {_AGAIN}") from error
    except Exception as error:  # the content of the file decides which error Keras raises
        raise ModelError(f"{path} cannot be loaded: {_advice_on(error)}") from error


def _advice_on(error: Exception) -> str:
    if "safe_mode" in str(error):
        return (
            "it contains a Python lambda, and loading would run that code from the file (safe_mode stays on). "
            "Replace the lambda by keras.ops or by your own layer class with "
            "@keras.saving.register_keras_serializable(). Or, if you trust the file, load it with "
            "keras.models.load_model(path, safe_mode=False), and pass the model to actsearch.search."
        )
    return (
        f"{keras_message(error)} If this names one of your classes or functions, put "
        "@keras.saving.register_keras_serializable() before its definition, and import its module first."
    )
