"""MLflow's loader of logged models for prediction and serving: it registers our layers before Keras reads the file."""

from typing import Any

from actsearch._private import load_keras_model


def _load_pyfunc(path: str) -> Any:
    """Loads a model: the entry point of `mlflow.pyfunc.load_model` and `mlflow models serve`."""
    import actsearch.layers  # noqa: F401  registers them with Keras

    loaded = load_keras_model(path)
    model = loaded.get_raw_model()
    return Several(model) if len(getattr(model, "outputs", None) or ()) > 1 else loaded


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
