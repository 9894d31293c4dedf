"""Removes passwords and keys from addresses in a text."""

import re
from typing import TextIO, cast

MASK = "***"
_USER = re.compile(
    r"(?<=://)[^/\s]*@|(?<=://)(?<!http://)(?<!https://)[^/\s:@]+:[^\s@]*@",  # a database's password may hold a slash
    re.I,
)
_SECRET = re.compile(r"([?&;][\w.-]*(?:pass|pwd|token|secret|key|credential|odbc_connect)[\w.-]*=)[^&\s'\"]*", re.I)


def mask(text: str) -> str:
    """Replaces with `***` the user and password of each address, and secret parameters after its `?`.

    Example:

    >>> mask("postgresql://me:pa/ss@host/runs?sslmode=require&sslpassword=x")
    'postgresql://***@host/runs?sslmode=require&sslpassword=***'
    """
    return _SECRET.sub(rf"\1{MASK}", _USER.sub(f"{MASK}@", text))


def masked(stream: TextIO) -> TextIO:
    """Wraps a stream so that everything written to it is masked."""
    return cast(TextIO, _Masked(stream))


class _Masked:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(mask(text))

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)
