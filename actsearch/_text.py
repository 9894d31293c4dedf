"""Tables of plain text."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

_GAP = "  "
_NARROWEST = 8  # characters


def text_table(
    headers: Sequence[str], rows: Iterable[Sequence[str]], *, left: int = 1, width: int | None = None
) -> str:
    """Aligns columns of text under their headers.

    Args:
        headers: Names of the columns.
        rows: Cells of each row, one per header.
        left: Number of columns aligned to the left; the others are aligned to the right.
        width: Maximum number of characters per line; the widest cells are wrapped where it is exceeded.

    Example:

    >>> print(text_table(["site", "units"], [["dense", "64"], ["dense_1", "8"]]))
    site     units
    dense       64
    dense_1      8
    """
    lines = [tuple(headers), *map(tuple, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    while width is not None and sum(widths) + len(_GAP) * (len(widths) - 1) > width and max(widths) > _NARROWEST:
        widths[widths.index(max(widths))] -= 1
    return "\n".join(text for line in lines for text in _wrapped(line, widths, left))


def _wrapped(cells: Sequence[str], widths: Sequence[int], left: int) -> Iterator[str]:
    """Yields the lines of text of one row."""
    parts = [textwrap.wrap(cell, width) for cell, width in zip(cells, widths, strict=True)]
    for texts in list(zip_longest(*parts, fillvalue="")) or [("",) * len(widths)]:
        aligned = [
            text.ljust(width) if column < left else text.rjust(width)
            for column, (text, width) in enumerate(zip(texts, widths, strict=True))
        ]
        yield _GAP.join(aligned).rstrip()
