"""What a search sends to other processes: packed, or what of it cannot be sent, and what to do about it."""

import inspect
from functools import partial
from typing import TYPE_CHECKING, Any

from actsearch.errors import UsageError
from actsearch.search.transport import Parcel

if TYPE_CHECKING:
    from actsearch.search.setting import Setting

_ADVICE = {
    "data": "Pass arrays",
    "callbacks": "Pass a function that returns new callbacks, callbacks=lambda: [MyCallback()]",
}
_OTHER_ADVICE = "Define it in a module that can be imported, and make inside it what it uses"


def packed_setting(setting: "Setting") -> Parcel:
    """What code before the search has set in this process.

    Raises:
        UsageError: Something of it cannot be sent.
    """
    try:
        return Parcel.of(setting)
    except Exception as error:
        raise UsageError(_cannot_be_sent("registered activations, layers and functions", error)) from error


def packed_job(make: "partial[Any]") -> Parcel:
    """The call that makes the search's `Executions` in another process.

    Raises:
        UsageError: An argument cannot be sent; the message says which.
    """
    try:
        return Parcel.of(make)
    except Exception as error:
        for name, part in inspect.signature(make.func).bind(*make.args, **make.keywords).arguments.items():
            try:
                Parcel.of(part)
            except Exception as cause:
                raise UsageError(_cannot_be_sent(name, cause)) from cause
        raise UsageError(_cannot_be_sent("search", error)) from error


def _cannot_be_sent(name: str, error: Exception) -> str:
    return (
        f"`{name}` cannot be sent to another process ({type(error).__name__}: {error}). "
        f"{_ADVICE.get(name, _OTHER_ADVICE)}; or search without isolate and workers."
    )
