"""Python generators as data: one that all executions share, or a function that makes one for each."""

import types
from collections.abc import Callable, Iterator
from typing import Any

import keras

from actsearch.errors import DataError, GeneratorEndedError, UsageError


class Batches:
    """Batches from Python generators; the first one can be looked at without taking it away from the training.

    Args:
        source: A generator, which all executions read from in turn; or a function without arguments that returns a new
            one for each execution.
        name: The name of the data in messages.
    """

    def __init__(self, source: Any, name: str) -> None:
        self._name = name
        self._make: Callable[[], Iterator[Any]] | None = None if is_generator(source) else source
        self._shared: Iterator[Any] | None = source if is_generator(source) else None
        self._first: Any = None
        self._unread: list[Any] = []  # the first batch, until an execution trains on it
        self._num_taken, self._has_ended = 0, False

    @property
    def is_shared(self) -> bool:
        """Whether all executions read from one generator, so that each trains on other batches."""
        return self._make is None

    def first(self) -> Any:
        """Returns the first batch: `(x,)`, `(x, y)` or `(x, y, sample_weight)`.

        Raises:
            DataError: There is none, or it has another form.
        """
        if self._first is None:
            batches = self._shared if self._shared is not None else self._made()
            batch = next(batches, None)
            if not isinstance(batch, tuple):
                raise DataError(
                    f"{self._name}: the generator yields {type(batch).__name__} as its first batch. Keras expects a "
                    "tuple: (x,), (x, y) or (x, y, sample_weight)."
                )
            self._first = batch
            self._unread = [batch] if self.is_shared else []
        return self._first

    def parts(self) -> tuple[Any, Any, Any]:
        """Returns x, y and the sample weights of the first batch; those that it does not have are None."""
        x, y, weight = keras.utils.unpack_x_y_sample_weight(self.first())
        return x, y, weight

    def generator(self) -> Iterator[Any]:
        """Returns the generator that one execution trains on."""
        self._num_taken, self._has_ended = 0, False
        return self._counted()

    def check_lasted(self, num_needed: int) -> None:
        """Checks that the last execution got all the batches that it needed.

        Raises:
            GeneratorEndedError: It did not: Keras would count the missing epochs as trained.
        """
        if not self._has_ended or self._num_taken >= num_needed:
            return
        again = (
            "All executions of a search read from one generator, so it must not end. Let it loop over the data "
            "(while True: ...), or pass a function that returns a new generator for each execution"
            if self.is_shared
            else "Each generator that the function returns must yield them all: let it loop over the data"
        )
        raise GeneratorEndedError(
            f"{self._name}: the generator ended after {self._num_taken:,} of the {num_needed:,} batches that an "
            f"execution needs. {again}; or pass arrays or a tf.data.Dataset."
        )

    def _counted(self) -> Iterator[Any]:
        if self._shared is None:
            batches = self._made()
        else:
            if self._unread:
                self._num_taken += 1
                yield self._unread.pop()
            batches = self._shared
        for batch in batches:
            self._num_taken += 1
            yield batch
        self._has_ended = True

    def _made(self) -> Iterator[Any]:
        assert self._make is not None
        made = self._make()
        if not is_generator(made):
            raise DataError(
                f"{self._name}: the function returned {type(made).__name__}; expected a generator (a function with "
                "yield)."
            )
        return made

    def __getstate__(self) -> dict[str, Any]:
        if self.is_shared:
            raise UsageError(f"{self._name} is a generator; pass a function that returns a new one for each execution")
        return vars(self)


def is_generator(data: Any) -> bool:
    """Returns whether the data is a Python generator, as `model.fit` accepts it."""
    return isinstance(data, types.GeneratorType)


def is_source(data: Any) -> bool:
    """Returns whether the data is a generator, or a function that may return one."""
    return is_generator(data) or callable(data)


def raw(data: Any) -> Any:
    """Returns what `model.fit` takes: for `Batches`, the generator of one execution."""
    return data.generator() if isinstance(data, Batches) else data
