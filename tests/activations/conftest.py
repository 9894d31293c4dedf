"""A register of its own for each test that changes it."""

import pytest

from actsearch.activations import registry


@pytest.fixture
def fresh_register(monkeypatch):
    """The register as a new process finds it: nothing loaded yet."""
    monkeypatch.setattr(registry, "_entries", {})
    monkeypatch.setattr(registry, "_pending", [registry._add_catalogue, registry._add_plugins])


@pytest.fixture
def own_register(monkeypatch):
    """The loaded register; what a test adds is gone after it."""
    registry.names()
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))
