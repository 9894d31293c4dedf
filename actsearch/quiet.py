"""TensorFlow without its start-up chatter."""

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from actsearch.collector import resting
from actsearch.errors import UsageError

_CHATTER = re.compile(
    rb"^(WARNING: All log messages before|[IW]\d{4} |\d{4}-\d\d-\d\d .*: [IW] |To enable the following)"
)


def load_tensorflow() -> None:
    """Imports TensorFlow and Keras; what they write on starting, before they can be told not to, is held back.

    Raises:
        UsageError: Keras is set to another backend than TensorFlow.
    """
    if "tensorflow" not in sys.modules:
        has_gpu = Path("/dev/nvidiactl").exists()  # without one, the first operation logs an error about it
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2" if has_gpu else "3")
        with _without_chatter(), resting():
            import keras
            import tensorflow  # noqa: F401
    import keras

    if keras.backend.backend() != "tensorflow":
        raise UsageError(
            f"Keras runs on {keras.backend.backend()} here, and actsearch needs TensorFlow. "
            "Set KERAS_BACKEND=tensorflow, or `backend` in ~/.keras/keras.json."
        )


@contextmanager
def _without_chatter() -> Iterator[None]:
    """Holds back standard error below Python, and writes what is no chatter when it is done."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            held.seek(0)
            worth = [line for line in held if not _CHATTER.match(line)]
            os.write(2, b"".join(worth))
