"""Imports objects of the user's code by `package.module:name`, and shows its traceback where that code fails."""

import importlib
import itertools
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from actsearch.errors import ActsearchError, UsageError, did_you_mean

_TARGET = re.compile(r"(?P<module>[^\W\d]\w*(\.[^\W\d]\w*)*):(?P<name>[^\W\d]\w*(\.[^\W\d]\w*)*)")
_OUR_FOLDER = str(Path(__file__).parent)


def import_object(target: str, kind: str) -> Any:
    """Imports the object that `package.module:name` names; the working directory is searched first.

    Args:
        target: Module and name, separated by a colon. The name may contain dots: `"nets:Net.build"`.
        kind: What is expected there, for the message: `"data function"`.

    Returns:
        The object.

    Raises:
        UsageError: The text has a different form, the module or name does not exist, or the module's own code
            fails; its traceback is then part of the message.

    Example:

    >>> import_object("math:sqrt", "function")(9.0)
    3.0
    """
    match = _TARGET.fullmatch(target)
    if match is None:
        raise UsageError(f"{target!r} does not name a {kind}: expected package.module:function, such as my_code:make.")
    module, names = match["module"], match["name"].split(".")
    with user_code(target):
        found: Any = _imported(module, target, kind)
        for name in names:
            if not hasattr(found, name):
                public = [n for n in vars(found) if not n.startswith("_")] if hasattr(found, "__dict__") else []
                owner = getattr(found, "__name__", module)
                raise UsageError(f"{target}: {owner} has no {kind} {name!r}.{did_you_mean(name, public)}")
            found = getattr(found, name)
    return found


@contextmanager
def user_code(target: str, error: type[UsageError] = UsageError) -> Iterator[None]:
    """Runs the user's code in a `with` block and turns its exceptions into one error that shows its traceback.

    Within the block, the working directory comes first on the import path.

    Args:
        target: Name of the function, for the message.
        error: Class of the error to raise.

    Raises:
        UsageError: The code raised an exception; actsearch's own errors pass unchanged.

    Example:

    >>> with user_code("my_code:load"):
    ...     1 / 0
    Traceback (most recent call last):
    ...
    actsearch.errors.UsageError: my_code:load failed with ZeroDivisionError: division by zero...
    """
    folder = str(Path.cwd())
    sys.path.insert(0, folder)
    importlib.invalidate_caches()
    try:
        yield
    except ActsearchError:
        raise
    except (Exception, SystemExit) as failure:
        raise error(f"{target} failed with {_with_traceback(failure)}") from failure
    finally:
        if folder in sys.path:
            sys.path.remove(folder)


def _imported(module: str, target: str, kind: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if module != missing and not module.startswith(f"{missing}."):
            raise
        near = did_you_mean(module, [path.stem for path in Path.cwd().glob("*.py")])
        raise UsageError(
            f"{target}: no module {missing!r} was found in {Path.cwd()} or among the installed packages.{near} "
            f"Name a {kind} as package.module:function."
        ) from error


def _with_traceback(failure: BaseException) -> str:
    """Formats an exception and its traceback, without the frames of actsearch and of the import system."""

    def foreign(frame: traceback.FrameSummary) -> bool:
        return frame.filename.startswith((_OUR_FOLDER, "<frozen importlib", str(importlib.__file__)))

    frames = list(itertools.dropwhile(foreign, traceback.extract_tb(failure.__traceback__)))
    only = "".join(traceback.format_exception_only(failure)).strip()
    head = f"{type(failure).__name__}: {failure}"
    if not frames:
        return head if only.count("\n") == 0 else f"{head}\n{only}"
    return f"{head}\nTraceback (most recent call last):\n{''.join(traceback.format_list(frames))}{only}"
