"""All layers of the catalogue, and registered user code, compute the same after loading in a new process."""

import importlib
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from actsearch.activations.catalogue import ENTRIES
from actsearch.activations.registry import get

ROOT = Path(__file__).parents[2]

THEIR_MODULE = """
import keras
from actsearch.activations import register

@register
def saved_swish(x, beta=1.0):
    return x * keras.ops.sigmoid(beta * x)

@register
class SavedScale(keras.layers.Layer):
    def build(self, shape):
        self.factor = self.add_weight(shape=(), initializer="ones", name="factor")

    def call(self, x):
        return x * self.factor
"""

LOAD = """
import keras, numpy as np, their_module
import actsearch.layers
with np.load("outputs.npz") as saved:
    x, *expected = saved.values()
outputs = keras.saving.load_model("model.keras").predict(x, verbose=0)
assert len(outputs) == len(expected)
for y, old in zip(outputs, expected):
    np.testing.assert_allclose(y, old, rtol=1e-6, atol=1e-6)
"""


@pytest.mark.usefixtures("own_register")
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning:keras")
def test_layers_load_in_a_new_process(tmp_path, monkeypatch):
    (tmp_path / "their_module.py").write_text(THEIR_MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("their_module")
    layers = [entry.layer() for entry in ENTRIES]
    layers += [e.layer(**{n: p.default / 2 for n, p in e.parameters.items()}) for e in ENTRIES if e.parameters]
    layers += [get("saved_swish").layer(beta=2.0), get("SavedScale").layer()]

    inputs = keras.Input((5,))
    model = keras.Model(inputs, [layer(inputs) for layer in layers])
    for weight in model.trainable_variables:
        weight.assign(weight * 1.25)
    x = np.random.default_rng(0).standard_normal((7, 5)).astype("float32")
    outputs = model.predict(x, verbose=0)
    np.testing.assert_allclose(outputs[-1], 1.25 * x)
    np.testing.assert_allclose(outputs[-2], x / (1 + np.exp(-2 * x)), rtol=1e-5)
    np.savez(tmp_path / "outputs.npz", x, *outputs)
    model.save(tmp_path / "model.keras")

    done = subprocess.run(
        [sys.executable, "-c", LOAD],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{ROOT}:{tmp_path}", "PATH": "", "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
