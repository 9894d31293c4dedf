"""Who proposes trials, who gets the next execution, and the loop; and, called, a whole search.

`actsearch.search` is this package and the function in one: importing anything from the package would otherwise
put the package in the function's place.
"""

import sys
from types import ModuleType
from typing import Any


class _CallablePackage(ModuleType):
    def __call__(self, *args: Any, **options: Any) -> Any:
        from actsearch.quiet import load_tensorflow

        load_tensorflow()
        from actsearch.search.api import search

        return search(*args, **options)


sys.modules[__name__].__class__ = _CallablePackage
