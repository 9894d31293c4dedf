"""Loading a saved user model, or refusing it with advice."""

import warnings
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers as kl

from actsearch.errors import ModelError
from actsearch.layers import PReLU
from actsearch.swap.user_model import load_user_model
from tests.helpers.versions import since_keras


def saved(folder: Path, *layers: kl.Layer, loss: object = "mse") -> Path:
    model = keras.Sequential([keras.Input((4,)), *layers, kl.Dense(1)])
    model.compile("sgd", loss)
    path = folder / "net.keras"
    model.save(path)
    return path


def test_a_model_with_our_layers_loads_compiled(tmp_path: Path) -> None:
    model = load_user_model(saved(tmp_path, kl.Dense(3), PReLU()))
    assert model.compiled
    assert model(np.ones((2, 4))).shape == (2, 1)


@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`:UserWarning")
def test_a_lambda_is_refused_with_what_it_means(tmp_path: Path) -> None:
    path = saved(tmp_path, kl.Lambda(lambda x: x + 1))
    with pytest.raises(ModelError, match=r"Python lambda.*safe_mode stays on"):
        load_user_model(path)


class Own(kl.Layer):
    def call(self, x):
        return x


def own_loss(y, p):
    return keras.ops.mean(keras.ops.abs(y - p), axis=-1)


@since_keras("3.15", "finds classes that are not registered")
def test_objects_that_are_not_registered_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"Could not locate class 'Own'.*register_keras_serializable"):
        load_user_model(saved(tmp_path, Own()))
    with pytest.raises(ModelError, match=r"Could not locate function 'own_loss'.*register_keras_serializable"):
        load_user_model(saved(tmp_path, loss=own_loss))


def test_files_that_are_no_models(tmp_path: Path) -> None:
    path = saved(tmp_path)
    with pytest.raises(ModelError, match=r"The file .*ned\.keras.*Did you mean 'net\.keras'"):
        load_user_model(tmp_path / "ned.keras")
    for content in (b"no model", b"", path.read_bytes()[:200]):
        (tmp_path / "broken.keras").write_bytes(content)
        with pytest.raises(ModelError, match=r"broken\.keras is not a \.keras file"):
            load_user_model(tmp_path / "broken.keras")
    with zipfile.ZipFile(tmp_path / "zip.keras", "w") as archive:
        archive.writestr("readme", "something else")
    with pytest.raises(ModelError, match=r"zip\.keras cannot be loaded"):
        load_user_model(tmp_path / "zip.keras")
    (tmp_path / "net.h5").write_bytes(b"")
    with pytest.raises(ModelError, match=r"does not end in \.keras"):
        load_user_model(tmp_path / "net.h5")


@pytest.mark.parametrize("epochs", [0, 1])
def test_a_model_loads_without_a_word_on_its_optimizer(tmp_path: Path, epochs: int) -> None:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    if epochs:
        model.fit(np.ones((4, 3)), np.ones(4), epochs=epochs, verbose=0)
    model.save(tmp_path / "net.keras")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = load_user_model(tmp_path / "net.keras")
    np.testing.assert_array_equal(loaded.predict(np.ones((4, 3)), verbose=0), model.predict(np.ones((4, 3)), verbose=0))
