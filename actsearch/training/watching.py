"""The health of an execution, watched without ever ending it."""

import time
from typing import Any

import tensorflow as tf

from actsearch.errors import DataError, ModelError
from actsearch.training.health import ActivationHealth


class Watch(ActivationHealth):
    """`ActivationHealth` for executions: where a model cannot be diagnosed it says why, and training goes on.

    Args:
        x, y: Some of the training data, as for `ActivationHealth`.

    Attributes:
        cpu_seconds: What watching cost; it is no cost of the activation.
    """

    def __init__(self, x: Any, y: Any) -> None:
        super().__init__(x, y)
        self._problem: str | None = None
        self.cpu_seconds = 0.0

    def on_train_begin(self, logs: Any = None) -> None:
        begin = time.process_time()
        try:
            super().on_train_begin(logs)
        except (ModelError, DataError, ValueError) as error:
            self._problem = str(error)
        self.cpu_seconds += time.process_time() - begin

    def _diagnose(self) -> None:
        if self._probe is None or self._problem is not None:
            return
        begin = time.process_time()
        try:
            super()._diagnose()
        except (ModelError, DataError, ValueError, tf.errors.OpError) as error:
            self._problem = str(error)
        self.cpu_seconds += time.process_time() - begin

    def plain(self) -> tuple[dict[str, Any], ...]:
        """The diagnoses as plain data, by epoch; a single entry `problem` where there could be none."""
        found = tuple(diagnosis.to_dict() for diagnosis in self.diagnoses.values())
        return found if self._problem is None else (*found, {"problem": self._problem})
