"""What is wrong in a model: how bad, where, why, and what to change."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad an issue is: it will not learn what it should, it will learn worse, or there is a better way."""

    ERROR = "error"
    WARNING = "warning"
    HINT = "hint"


@dataclass(frozen=True)
class Issue:
    """One thing that is wrong.

    Args:
        severity: How bad it is.
        site: The activation site, layer or output that it is about; empty for the whole model.
        message: What is wrong, with its figures.
        fix: What to do about it.

    Example:

    >>> print(Issue(Severity.HINT, "dense_1", "Its slopes are one a pixel.", "Share them over the pixels."))
    hint, dense_1: Its slopes are one a pixel. Share them over the pixels.
    """

    severity: Severity
    site: str
    message: str
    fix: str

    def __str__(self) -> str:
        where = f"{self.severity}, {self.site}" if self.site else str(self.severity)
        return f"{where}: {self.message} {self.fix}"
