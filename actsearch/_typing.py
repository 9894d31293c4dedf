"""Type aliases shared by several packages."""

from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]
