"""How MLflow loads a logged model for prediction and serving: its layers are known before Keras reads it."""

from typing import Any

from actsearch._private import load_keras_model


def _load_pyfunc(path: str) -> Any:
    """MLflow's entry point for `mlflow.pyfunc.load_model` and `mlflow models serve`."""
    import actsearch.layers  # noqa: F401  registers them with Keras

    loaded = load_keras_model(path)
    model = loaded.get_raw_model()
    return Several(model) if len(getattr(model, "outputs", None) or ()) > 1 else loaded


class Several:
    """A model with several outputs, which MLflow's own wrapper takes for one array.

    Args:
        model: The Keras model.
    """

    def __init__(self, model: Any) -> None:
        self._model = model

    def predict(self, data: Any, params: Any = None) -> Any:  # noqa: ARG002  MLflow passes it
        """The outputs as the model's `predict` gives them: a list, or a dictionary by their names."""
        return self._model.predict(data, verbose=0)
