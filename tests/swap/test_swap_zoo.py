"""Models as people write them, and what becomes of them; benchmarks/model_zoo.py has a hundred."""

import importlib
from pathlib import Path

import keras
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SOME = ["linear_layers", "flat_subclass"]
MORE = [
    "efficientnet_like",
    "wavenet_like",
    "actor_critic",
    "cbam",
    "channels_first_conv1d",
    "mlp_mixer",
    "masked_language_model",
    "mixed_precision_convnet",
    "nested_subclass",
    "next_frame_convlstm",
    "structured_data_from_scratch",
    "sub_pixel_super_resolution",
    "denoising_autoencoder",
    "vision_transformer",
]


@pytest.fixture(scope="module")
def benchmark():
    known = keras.saving.get_custom_objects()
    before = dict(known)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield importlib.import_module("model_zoo")
    known.clear()
    known.update(before)


def examined(benchmark, name, folder):
    row = benchmark.Examination(benchmark.MODELS[name], folder).run()
    benchmark.load_all(folder)
    benchmark.add_loaded(row, benchmark.read_loaded(folder)[name])
    return row


def assert_right(row):
    assert row["fails"] == []
    assert row.get("differs", []) == []
    assert row["hidden_reached"] == row["hidden"][0]
    assert row["identity"] == 0.0
    assert row["loaded"] <= 1e-6


@pytest.mark.filterwarnings("ignore")  # those of Keras on the models, not on what is tested
@pytest.mark.parametrize("name", SOME)
def test_activations_are_found_exchanged_trained_and_saved(benchmark, name, tmp_path):
    assert_right(examined(benchmark, name, tmp_path))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MORE)
def test_more_models(benchmark, name, tmp_path):
    assert_right(examined(benchmark, name, tmp_path))
