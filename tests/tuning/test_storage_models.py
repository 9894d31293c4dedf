"""Trained models that leave a search: loaded in another process, they predict what they did in this one."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import actsearch
from actsearch.errors import UsageError
from actsearch.tuning.progress import Silent
from actsearch.tuning.storage import save_model
from tests.helpers.networks import small_network
from tests.helpers.tracking import runs_of

LOAD = """
import json, sys
import numpy as np
how, where, store = sys.argv[1:]
x = np.load("x.npy")
if how == "pyfunc":
    import mlflow
    mlflow.set_tracking_uri(store)
    y = mlflow.pyfunc.load_model(where).predict(x)
else:
    import actsearch.layers, keras, mlflow.keras
    mlflow.set_tracking_uri(store)
    load = mlflow.keras.load_model if how == "keras" else keras.saving.load_model
    y = load(where).predict(x, verbose=0)
np.save(how + ".npy", y)
"""
LEARNED = {"activations": ["relu", "prelu"]}


def build(hp):
    return small_network(hp, LEARNED)


def searched(digits, **options):
    x, y = digits
    tuner = actsearch.ActivationTuner(build, executions=1, epochs=2, directory="found", verbose=0, **options)
    return tuner.search(x[:300], y[:300], validation_data=(x[300:400], y[300:400]))


@pytest.mark.slow
def test_models_predict_the_same_in_another_process(digits, store, tmp_path, program):
    result = searched(digits, tracking=actsearch.MLflow(log_models="all", register="mine"))
    x = digits[0][:20]
    np.save("x.npy", x)
    trial = next(t for t in result.trials if t.activation == "prelu")
    said = result.best_model(trial.trial_id).predict(x, verbose=0)
    run = store.get_run(result.mlflow["trial_run_ids"][trial.trial_id])
    model = store.get_logged_model(run.data.tags["actsearch.model_id"])
    assert program("export", "found", "of_a_trial.keras", "--trial", trial.trial_id)[0] == 0
    uri, logged = f"sqlite:///{tmp_path / 'mlflow.db'}", f"models:/{model.model_id}"
    for how, where in (("keras", logged), ("pyfunc", logged), ("file", "of_a_trial.keras")):
        subprocess.run([sys.executable, "-c", LOAD, how, where, uri], check=True, capture_output=True)
        np.testing.assert_allclose(np.load(f"{how}.npy"), said, atol=1e-6)
    assert model.source_run_id == run.info.run_id
    assert {r.info.status for r in runs_of(store)} == {"FINISHED"}
    [version] = store.search_model_versions("name='mine'")
    best = store.get_run(result.mlflow["trial_run_ids"][result.best.trial_id])
    assert version.source == f"models:/{best.data.tags['actsearch.model_id']}"


@pytest.mark.slow
def test_a_logged_model_says_what_it_takes_and_needs(digits, store):
    from mlflow.models import get_model_info

    result = searched(digits)
    run = store.get_run(result.mlflow["trial_run_ids"][result.best.trial_id])
    model = store.get_logged_model(run.data.tags["actsearch.model_id"])
    folder = Path(model.artifact_location.removeprefix("file://"))
    info = get_model_info(str(folder))
    assert [list(one.shape) for one in info.signature.inputs.inputs] == [[-1, 64]]
    assert [list(one.shape) for one in info.signature.outputs.inputs] == [[-1, 10]]
    needed = (folder / "requirements.txt").read_text().split()
    assert f"keras=={keras.__version__}" in needed
    assert f"actsearch=={actsearch.__version__}" in needed
    assert np.shape(json.loads((folder / "serving_input_example.json").read_text())["inputs"]) == (1, 64)
    others = [r for r in runs_of(store, "trial") if r.info.run_id != run.info.run_id]
    assert not any("actsearch.model_id" in r.data.tags for r in others)


def test_an_example_is_one_row_of_what_numpy_can_hold(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, dtype="bfloat16")])
    save_model(tmp_path, "0", model, np.ones((32, 3), "float32"))
    with np.load(tmp_path / "models" / "0.npz") as example:
        assert {name: (example[name].shape, example[name].dtype.name) for name in example.files} == {
            "x": ((1, 3), "float32"),
            "y": ((1, 2), "float32"),
        }


def test_a_model_without_an_example_is_saved_all_the_same(tmp_path):
    @keras.saving.register_keras_serializable("tests")
    class Two(keras.Model):
        def call(self, inputs):
            return {"a": inputs[0], "b": [inputs[1], inputs[0]]}

    model, sample = Two(), [np.ones((1, 3)), np.ones((1, 3))]
    model(sample)
    save_model(tmp_path, "0", model, sample)
    assert [file.name for file in (tmp_path / "models").iterdir()] in (["0.keras"], ["0.keras", "0.npz"])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*Any type hint:UserWarning")  # of MLflow's own types, when it is loaded
def test_several_outputs_are_predicted(digits, store, tmp_path):
    from actsearch.tracking.models import log_model

    inputs = keras.Input((3,))
    model = keras.Model(inputs, [keras.layers.Dense(1)(inputs), keras.layers.Dense(2)(inputs)])
    save_model(tmp_path, "0", model, np.ones((1, 3), "float32"))
    experiment = store.create_experiment("several")
    run = store.create_run(experiment).info.run_id
    model_id = log_model(store, experiment, run, tmp_path / "models" / "0.keras", "several", 1)
    code = (
        "import mlflow, numpy as np, sys; mlflow.set_tracking_uri(sys.argv[1]);"
        "print([a.shape for a in mlflow.pyfunc.load_model(sys.argv[2]).predict(np.ones((4, 3), 'float32'))])"
    )
    arguments = [f"sqlite:///{tmp_path / 'mlflow.db'}", f"models:/{model_id}"]
    done = subprocess.run([sys.executable, "-c", code, *arguments], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[(4, 1), (4, 2)]"
    assert log_model(store, experiment, run, tmp_path / "models" / "0.keras", "several", 1) == model_id
    assert log_model(store, experiment, run, tmp_path / "models" / "0.keras", "several", 2) != model_id
    assert len(store.search_logged_models([experiment])) == 1


def test_examples_of_several_inputs_go_by_their_names(tmp_path):
    one, two = keras.Input((3,), name="one"), keras.Input((2,), name="two")
    model = keras.Model([one, two], keras.layers.Concatenate()([one, two]))
    save_model(tmp_path, "a/b", model, [np.ones((1, 3)), np.ones((1, 2))])
    with np.load(tmp_path / "models" / "a%2Fb.npz") as example:
        assert {name: example[name].shape for name in example.files} == {"x:one": (1, 3), "x:two": (1, 2), "y": (1, 5)}


@pytest.mark.parametrize(("options", "says"), [({"log_models": "some"}, "Known: all, best, none"),
                                               ({"log_models": "none", "register": "a"}, "would be ignored"), ({"register": "a/b"}, "slashes"), ({"register": " "}, "slashes")])  # fmt: skip
def test_what_cannot_be_logged_is_refused(options, says):
    with pytest.raises(UsageError, match=says):
        actsearch.MLflow(**options)


@pytest.mark.slow
def test_a_model_that_cannot_be_saved_is_told_and_the_search_stands(digits, without_mlflow):
    class Own(keras.layers.Layer):
        def call(self, x):
            return x

        def get_config(self):
            raise NotImplementedError("no configuration")

    def unsaved(hp):
        model = small_network(hp, LEARNED)
        outputs = Own()(model.outputs[0])
        model = keras.Model(model.inputs, outputs)
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    told = []
    reporter = Silent()
    reporter.message = told.append
    x, y = digits
    tuner = actsearch.ActivationTuner(unsaved, executions=1, epochs=1, directory="found", verbose=reporter)
    result = tuner.search(x[:300], y[:300], validation_data=(x[300:400], y[300:400]))
    assert any("cannot be saved: NotImplementedError" in text for text in told)
    assert result.best_model() is not None
