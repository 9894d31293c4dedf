"""A user's model from a `.keras` file, without running code that the file brings."""

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
    """A model from a `.keras` file; code that the file brings is refused, not run.

    Args:
        path: The file that `model.save("name.keras")` wrote.

    Returns:
        The model, compiled where it was when it was saved.

    Raises:
        ModelError: There is no such file, it is no `.keras` file, it holds a Lambda layer with Python code, or a
            layer, loss, metric or optimizer of the user's own that is not registered with Keras.

    Example:

    >>> load_user_model("no_model.keras")
    Traceback (most recent call last):
    ...
    actsearch.errors.ModelError: There is no file no_model.keras...
    """
    path = Path(path)
    if not path.is_file():
        near = did_you_mean(path.name, [other.name for other in path.parent.glob("*.keras")])
        raise ModelError(f"There is no file {path}, expected a model saved as .keras.{near}")
    if path.suffix != ".keras":
        raise ModelError(
            f"{path} does not end in .keras. Load it with keras.models.load_model in a program of your own, and "
            'write it again with model.save("model.keras").'
        )
    if not zipfile.is_zipfile(path):
        raise ModelError(f"{path} is no .keras file, or was not written to its end. {_AGAIN}")
    try:
        with zipfile.ZipFile(path) as archive:
            check_unpacked(path, sum(member.file_size for member in archive.infolist()), ModelError)
        return keras.models.load_model(path, safe_mode=True)
    except ModelError:
        raise
    except (zipfile.BadZipFile, OSError) as error:
        raise ModelError(f"{path} cannot be read: {keras_message(error)} {_AGAIN}") from error
    except Exception as error:  # what a file says decides which of Keras's own functions fails, and how
        raise ModelError(f"{path} cannot be loaded: {_advice_on(error)}") from error


def _advice_on(error: Exception) -> str:
    if "safe_mode" in str(error):
        return (
            "it holds a Python lambda, as a Lambda layer or in its place, and loading would run that code from the "
            "file (safe_mode stays on). Replace the lambda by keras.ops or by a layer class of your own with "
            "@keras.saving.register_keras_serializable(). Or, if you trust the file, load it yourself with "
            "keras.models.load_model(path, safe_mode=False), and pass the model to actsearch.search."
        )
    return (
        f"{keras_message(error)} If this names a class or function of your own, put "
        "@keras.saving.register_keras_serializable() before its definition and import its module first."
    )
