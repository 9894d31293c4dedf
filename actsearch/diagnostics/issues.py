"""Issues: problems of a model, with severity, site, message and fix."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """The severity of an issue: the model cannot learn its task, it learns worse, or there is a better way.

    Example:

    >>> [str(severity) for severity in Severity]  # the most severe first
    ['error', 'warning', 'hint']
    """

    ERROR = "error"
    WARNING = "warning"
    HINT = "hint"


@dataclass(frozen=True)
class Issue:
    """A problem of a model.

    Args:
        severity: Its severity.
        site: The activation site, layer or output concerned; empty for the whole model.
        message: A description of the problem, with figures.
        fix: What to do about it.

    Example:

    >>> print(Issue(Severity.HINT, "dense_1", "It has one slope for each pixel.", "Share the slopes over the pixels."))
    hint, dense_1: It has one slope for each pixel. Share the slopes over the pixels.
    """

    severity: Severity
    site: str
    message: str
    fix: str

    def __str__(self) -> str:
        where = f"{self.severity}, {self.site}" if self.site else str(self.severity)
        return f"{where}: {self.message} {self.fix}"
