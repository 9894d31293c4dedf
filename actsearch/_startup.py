"""TensorFlow without its start-up chatter."""

import gc
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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


@contextmanager
def resting() -> Iterator[None]:
    """No collection in the block; what it has made counts as old afterwards.

    An import makes objects by the hundred thousand, none of which is garbage, and the collector goes through all of
    them time and again: TensorFlow and Keras were imported in 2.1 s instead of 2.9 s.

    A collector that is off stays off.

    Example:

    >>> with resting():
    ...     import decimal
    >>> gc.isenabled()
    True
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():  # else somebody's frozen objects would thaw
            gc.freeze()
            gc.unfreeze()  # into the oldest generation
        gc.enable()


def exempt_imports() -> None:
    """No collection looks again at what there is now, not even the last one, when the process ends.

    For processes of our own, after their imports: garbage of a user's would stay. A small search on the command line
    took 6.9 s instead of 7.9 s.
    """
    gc.freeze()
