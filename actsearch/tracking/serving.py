"""MLflow's loader of logged models for prediction and serving: it registers our layers before Keras reads the file."""

from pathlib import Path
from typing import Any

FILE = "data/model.keras"  # in the folder of a logged model


def _load_pyfunc(path: str) -> Any:
    """Loads a model: the entry point of `mlflow.pyfunc.load_model` and `mlflow models serve`.

    The model is not compiled: prediction needs neither its loss nor its optimizer, whose state is not saved.
    """
    import keras
    from mlflow.keras.load import KerasModelWrapper
    from mlflow.models import Model

    import actsearch.layers  # noqa: F401  registers them with Keras

    model = keras.saving.load_model(Path(path) / FILE, compile=False, safe_mode=True)
    if len(getattr(model, "outputs", None) or ()) > 1:
        return Several(model)
    return KerasModelWrapper(model, Model.load(path).signature)


class Several:
    """A model with several outputs, which MLflow's own wrapper mistakes for a single array.

    Args:
        model: The Keras model.
    """

    def __init__(self, model: Any) -> None:
        self._model = model

    def predict(self, data: Any, params: Any = None) -> Any:  # noqa: ARG002  MLflow passes it
        """Returns the outputs of the model's `predict`: a list, or a dictionary by name."""
        return self._model.predict(data, verbose=0)
