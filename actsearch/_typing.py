"""Names for types that modules of several rooms share."""

from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]
