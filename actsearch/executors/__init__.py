"""Where executions run: in this process, in child processes, or on Ray."""

from typing import TYPE_CHECKING

from actsearch._lazy import lazy_names

if TYPE_CHECKING:
    from actsearch.executors.base import Executor as Executor
    from actsearch.executors.specs import Auto as Auto
    from actsearch.executors.specs import Local as Local
    from actsearch.executors.specs import Ray as Ray
    from actsearch.executors.specs import get as get

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "Auto": "specs",
        "Executor": "base",
        "Local": "specs",
        "Ray": "specs",
        "get": "specs",
    },
)
