"""Objects of the user's own code by `package.module:name`, with its traceback where that code fails."""

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
    """The object that `package.module:name` names; the working directory is searched first.

    Args:
        target: Module and name, with a colon between them. The name may have dots: `"nets:Net.build"`.
        kind: What is expected there, in words for the message: `"data function"`.

    Raises:
        UsageError: The text has another form, module or name do not exist, or the module's own code fails;
            its traceback is then part of the message.

    Example:

    >>> import_object("math:sqrt", "function")(9.0)
    3.0
    """
    match = _TARGET.fullmatch(target)
    if match is None:
        raise UsageError(f"{target!r} names no {kind}: expected package.module:function, such as my_code:make.")
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
    """Runs the user's code in a `with` block: its exceptions become one error that shows its own traceback.

    The working directory comes first among the places to import from, and only for the block.

    Args:
        target: The function's name, for the message.
        error: The class of the error that is raised.

    Raises:
        UsageError: The code raised something; errors of actsearch itself pass as they are.

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
            f"{target}: no module {missing!r} is in {Path.cwd()} or among the installed packages.{near} "
            f"A {kind} is named like package.module:function."
        ) from error


def _with_traceback(failure: BaseException) -> str:
    """The exception, then where in the user's code it arose: not our own and the import system's frames."""

    def foreign(frame: traceback.FrameSummary) -> bool:
        return frame.filename.startswith((_OUR_FOLDER, "<frozen importlib", str(importlib.__file__)))

    frames = list(itertools.dropwhile(foreign, traceback.extract_tb(failure.__traceback__)))
    only = "".join(traceback.format_exception_only(failure)).strip()
    head = f"{type(failure).__name__}: {failure}"
    if not frames:
        return head if only.count("\n") == 0 else f"{head}\n{only}"
    return f"{head}\nTraceback (most recent call last):\n{''.join(traceback.format_list(frames))}{only}"
