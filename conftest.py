"""What the examples in docstrings find: two searches in `actsearch-runs`; `tests/fixtures/README.md` says which."""

from pathlib import Path

import pytest

SEARCHES = Path(__file__).parent / "tests" / "fixtures" / "searches"


@pytest.fixture(autouse=True)
def _searches_of_examples(request, tmp_path, monkeypatch):
    """Runs each example in a folder of its own, with links to the searches."""
    if isinstance(request.node, pytest.DoctestItem):
        runs = tmp_path / "actsearch-runs"
        runs.mkdir()
        for name in ("digits", "joint"):
            (runs / name).symlink_to(SEARCHES / name)
        monkeypatch.chdir(tmp_path)
