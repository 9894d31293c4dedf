"""What a worker takes over from the process of a search."""

import importlib
import sys

import keras
import pytest

from actsearch.executors.process_state import ProcessState

pytestmark = pytest.mark.usefixtures("own_keras_register")
LAYER = """
import keras

@keras.saving.register_keras_serializable("gates")
class Gate(keras.layers.Layer):
    pass
"""


@pytest.fixture
def gates(tmp_path, monkeypatch):
    """A module of the user's own that registers a layer."""
    (tmp_path / "gates.py").write_text(LAYER)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("gates")
    del sys.modules["gates"]


def test_registered_layers_are_registered_in_the_other_process(gates):
    assert ProcessState.capture().registered["gates>Gate"] is gates.Gate


def test_a_layer_whose_module_is_gone_does_not_end_a_search_without_it(gates, tmp_path):
    (tmp_path / "gates.py").unlink()
    importlib.invalidate_caches()
    assert keras.saving.get_registered_object("gates>Gate") is gates.Gate
    assert "gates>Gate" not in ProcessState.capture().registered
