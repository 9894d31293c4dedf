"""A griffe extension: the examples of docstrings are shown as code.

Docstrings here have their doctest under `Example:` without indentation, where Markdown sees quotations.
"""

import re
from typing import Any

import griffe

_EXAMPLE = re.compile(r"^Example:\n\n(?=>>>)", re.MULTILINE)
_DOCTEST = re.compile(r"^>>> .*(?:\n(?!\n).*)*", re.MULTILINE)


def with_code_blocks(text: str) -> str:
    """Returns a docstring whose doctests are fenced code.

    Example:

    >>> with_code_blocks("Adds.\\n\\nExample:\\n\\n>>> 1 + 1\\n2")
    'Adds.\\n\\n**Example**\\n\\n```pycon\\n>>> 1 + 1\\n2\\n```'
    """
    return _DOCTEST.sub(lambda found: f"```pycon\n{found[0]}\n```", _EXAMPLE.sub("**Example**\n\n", text))


class DoctestBlocks(griffe.Extension):
    """Rewrites each docstring when its object has been read."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Fences the doctests of a docstring."""
        if obj.docstring is not None:
            obj.docstring.value = with_code_blocks(obj.docstring.value)
