"""How MLflow loads a logged model for prediction and serving: its layers are known before Keras reads it."""

from typing import Any


def _load_pyfunc(path: str) -> Any:
    """MLflow's entry point for `mlflow.pyfunc.load_model` and `mlflow models serve`."""
    from mlflow.keras.load import _load_pyfunc

    import actsearch.layers  # noqa: F401  registers them with Keras

    return _load_pyfunc(path)
