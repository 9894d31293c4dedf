"""Marks of tests that hold what only newer versions of a package do."""

from importlib.metadata import version

import pytest


def numbers(text: str) -> tuple[int, ...]:
    """`(3, 15)` for `"3.15.1"`."""
    return tuple(map(int, text.split(".")[:2]))


def since_keras(wanted: str, why: str):
    """Skips a test with an older Keras; `why` says what that does."""
    return pytest.mark.skipif(numbers(version("keras")) < numbers(wanted), reason=f"Keras before {wanted} {why}")
