"""`actsearch search` on real data, as a user calls it, and everything that can be wrong with the call."""

import json
import sys

import numpy as np
import pytest

from actsearch.data import load_data
from actsearch.ledger import Ledger
from tests.helpers.executions import interrupted_in
from tests.helpers.networks import small_network
from tests.helpers.tracking import runs_of

QUICK = ("--epochs", 2, "--executions", 1, "--directory", "found")


def test_the_main_job(program, store, tmp_path):
    arguments = ("search", "relu_variants", "--data", "digits", "--epochs", 2, "--executions", 3, "--json")
    status, out, err = program(*arguments, "--directory", "one")
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert list(found) == [
        "search_id",
        "directory",
        "mlflow",
        "objective",
        "baseline",
        "score_name",
        "best",
        "best_activation",
        "recommended",
        "recommended_activation",
        "verdict",
        "best_trial",
        "importance",
        "trials",
    ]
    verdict = found["verdict"]
    assert (verdict["source"], verdict["scope"], verdict["margin"], verdict["alpha"]) == (
        "test",
        "new data",
        0.005,
        0.05,
    )
    assert {each["activation"] for each in verdict["findings"]} == {"leaky_relu", "prelu", "elu", "selu"}
    assert all(each["low"] <= each["gain"] <= each["high"] for each in verdict["findings"])
    assert set(verdict) >= {"recommendation", "advice", "evidence", "reason", "findings"}
    keys = {"activation", "outcome", "gain", "low", "high", "pairs", "more_executions", "samples_needed", "trial_id"}
    assert all(set(each) == keys for each in verdict["findings"])
    named = {t["trial_id"]: t["activation"] for t in found["trials"]}
    assert found["best_activation"] == named[found["best"]]
    assert found["recommended_activation"] == named[found["recommended"]]
    assert found["mlflow"]["complete"] is True
    assert found["mlflow"]["problem"] is None
    assert found["objective"] == {"name": "val_accuracy", "direction": "max"}
    assert Ledger("one").read().config.splits == "each"
    assert found["baseline"] == "relu"
    assert {t["activation"] for t in found["trials"]} == {"relu", "leaky_relu", "prelu", "elu", "selu"}
    assert [t["score"] for t in found["trials"]] == sorted((t["score"] for t in found["trials"]), reverse=True)
    executions = [e for t in found["trials"] for e in t["executions"]]
    assert len(executions) == 15
    assert {e["status"] for e in executions} == {"COMPLETED"}
    assert set(executions[0]) == {
        "execution", "seed", "status", "objective", "test_score", "num_epochs",
        "train_seconds", "train_wall_seconds", "training_memory_bytes", "cpu_seconds", "peak_rss_bytes",
    }  # fmt: skip
    assert set(found["trials"][0]) >= {
        "trial_id", "mlflow_run_id", "status", "hyperparameters", "activation", "executions", "score", "score_sd",
        "verdict", "gain", "gain_low", "gain_high", "p_value", "more_executions", "train_seconds_ratio",
    }  # fmt: skip
    assert [t["activation"] for t in found["trials"] if t["verdict"] == "baseline"] == ["relu"]
    assert len(runs_of(store)) == 1 + 5 + 15
    assert {r.info.status for r in runs_of(store)} == {"FINISHED"}
    trial_ids = {t["mlflow_run_id"] for t in found["trials"]}
    parents = {r.data.tags["mlflow.parentRunId"] for r in runs_of(store, "trial")}
    assert parents == {found["mlflow"]["run_id"]}
    assert {r.data.tags["mlflow.parentRunId"] for r in runs_of(store, "execution")} == trial_ids
    again = json.loads(program(*arguments, "--directory", "two")[1])
    assert [[e["objective"] for e in t["executions"]] for t in again["trials"]] == [
        [e["objective"] for e in t["executions"]] for t in found["trials"]
    ]


def test_a_list_of_activations_is_searched(program, store):
    status, out, err = program("search", "gelu,Swish", *QUICK, "--json", "--fail-unless-better")
    found = json.loads(out)
    assert (status, found["baseline"]) == (3, "gelu")  # one execution shows nothing
    assert "no activation is shown to be better than gelu" in err
    assert sorted(t["activation"] for t in found["trials"]) == ["gelu", "silu"]
    record = Ledger("found").read()
    assert record.name == "gelu-silu"
    assert [t.activations[""]["name"] for t in record.trials] == ["gelu", "silu"]


def npz(folder):
    data = load_data("breast_cancer")
    np.savez(folder / "mine.npz", x=data.x_train, y=data.y_train)
    return ("mine.npz",)


def csv(folder):
    lines = ["age,kind,target"] + [f"{i % 17},{'ab'[i % 2]},{'yes' if i % 17 > 8 else 'no'}" for i in range(120)]
    (folder / "mine.csv").write_text("\n".join(lines))
    return ("mine.csv", "--target", "target")


def parquet(folder):
    import pandas as pd

    rng = np.random.default_rng(0)
    x = rng.normal(size=(150, 3))
    pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": x @ [1.0, 2.0, 3.0]}).to_parquet(folder / "mine.parquet")
    return ("mine.parquet", "--target", "y")


def function(folder):
    (folder / "my_data.py").write_text(
        "import numpy as np\ndef make():\n    x = np.random.default_rng(0).normal(size=(90, 4))\n    return x, (x[:, 0] > 0).astype(int)\n"
    )
    return ("my_data:make",)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        pytest.param(lambda folder: ("breast_cancer",), "two classes", marks=pytest.mark.slow),
        pytest.param(lambda folder: ("diabetes",), "regression", marks=pytest.mark.slow),
        pytest.param(lambda folder: ("wine",), "multi-class", marks=pytest.mark.slow),
        pytest.param(npz, "two classes", marks=pytest.mark.slow),
        (csv, "two classes"),
        pytest.param(parquet, "regression", marks=pytest.mark.slow),
        pytest.param(function, "two classes", marks=pytest.mark.slow),
    ],
    ids=["breast_cancer", "diabetes", "wine", "npz", "csv", "parquet", "function"],
)
def test_every_kind_of_data(program, store, tmp_path, source, says):
    status, out, err = program("search", "classic", "--data", *source(tmp_path), *QUICK)
    assert status == 0, err
    assert says in err
    assert "relu" in out
    assert "baseline" in out
    assert len(runs_of(store, "execution")) == 3


@pytest.mark.slow
def test_a_model_with_options(program, without_mlflow):
    status, _, err = program(
        "search", "classic", "--model", "cnn", "--layers", 2, "--units", 4, "--dropout", 0.1, "--batch-norm", *QUICK
    )
    assert status == 0, err


BUILD = """
import keras, actsearch

def build(hp):
    activation = actsearch.choose(hp, {"activations": ["relu", "tanh"]})
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(8), activation.layer(),
                              keras.layers.Dense(10, activation="softmax")])
    optimizer = keras.optimizers.SGD(float("nan") if activation.name == "tanh" else 0.01)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model

def broken(hp):
    raise ZeroDivisionError("mine")
"""


def test_a_build_function_whose_one_activation_fails(program, without_mlflow, tmp_path):
    (tmp_path / "my_model.py").write_text(BUILD)
    status, out, err = program("search", "--model", "my_model:build", "--json", *QUICK)
    assert status == 0, err
    trials = {t["activation"]: t for t in json.loads(out)["trials"]}
    assert trials["tanh"]["status"] == "FAILED"
    assert trials["tanh"]["score"] is None
    assert json.loads(out)["best"] == trials["relu"]["trial_id"]
    status, out, _ = program("report", "found")
    assert status == 0
    assert "nan" in out


@pytest.mark.slow
def test_nothing_completed_is_status_1(program, without_mlflow, tmp_path):
    (tmp_path / "hopeless.py").write_text(BUILD.replace('if activation.name == "tanh" else 0.01', ""))
    status, _, err = program("search", "--model", "hopeless:build", *QUICK)
    assert status == 1
    assert "None of the 2 executions completed" in err


def test_ctrl_c_is_status_130(program, without_mlflow, monkeypatch):
    monkeypatch.setattr("actsearch.training.execution.order_of", interrupted_in(1))
    status, _, err = program("search", "classic", *QUICK)
    assert status == 130
    assert "actsearch resume found" in err


def test_resume_goes_on_from_anywhere(program, store, monkeypatch, tmp_path):
    """After the second of six executions, in the folder that the search was begun in."""
    with monkeypatch.context() as patch:
        patch.setattr("actsearch.training.execution.order_of", interrupted_in(3 * 2 - 1))
        assert program("search", "classic", *QUICK, "--executions", 2)[0] == 130
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    status, _, err = program("resume", tmp_path / "found")
    assert status == 0, err
    assert "resuming after 2 executions" in err
    assert [len(t.executions) for t in Ledger(tmp_path / "found").read().trials] == [2] * 3
    assert len(runs_of(store)) == 1 + 3 + 6


def test_a_search_of_a_program_is_resumed_by_that_program(program, digits, without_mlflow):
    import actsearch

    x, y = digits
    tuner = actsearch.ActivationTuner(small_network, executions=1, epochs=1, directory="found", verbose=0)
    monkey = sys.argv
    sys.argv = ["train.py", "--fast"]
    try:
        tuner.search(x[:200], y[:200], validation_data=(x[200:300], y[200:300]))
    finally:
        sys.argv = monkey
    status, _, err = program("resume", "found")
    assert status == 2
    assert "train.py --fast" in err


@pytest.mark.slow
def test_isolated_executions_give_the_same_numbers(program, without_mlflow):
    scores = {}
    for name, options in {"here": (), "isolated": ("--isolate",), "limited": ("--execution-timeout", "2m")}.items():
        arguments = ("search", "classic", "--epochs", 2, "--executions", 1, "--json", "--directory", name, *options)
        status, out, err = program(*arguments)
        assert status == 0, err
        scores[name] = [[e["objective"] for e in t["executions"]] for t in json.loads(out)["trials"]]
    assert scores["here"] == scores["isolated"] == scores["limited"]


def write(folder, name, content):
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return name


BAD = {
    "space": (lambda f: ("relu_variant",), "Did you mean 'relu_variants'?"),
    "activation": (lambda f: (write(f, "s.yaml", "activations: [relu, rleu]"),), "s.yaml: line 1: activations[1]: Unknown activation 'rleu'. Did you mean 'relu'"),
    "broken yaml": (lambda f: (write(f, "s.yaml", "activations: [relu"),), "s.yaml: line 1"),
    "python tag": (lambda f: (write(f, "s.yaml", "activations: !!python/name:os.system"),), "s.yaml: line 1"),
    "hyperparameter": (lambda f: (write(f, "s.yaml", "activations: [relu]\nhyperparameters: {unit: [1, 2]}"),), "Did you mean 'units'"),
    "data": (lambda f: ("classic", "--data", "digit"), "Did you mean 'digits'?"),
    "file": (lambda f: ("classic", "--data", "none.csv", "--target", "y"), "none.csv"),
    "column": (lambda f: ("classic", "--data", write(f, "d.csv", "age,kind\n1,2\n3,4\n"), "--target", "knd"), "Did you mean 'kind'"),
    "objective": (lambda f: ("classic", "--objective", "val_acuracy"), "Did you mean 'val_accuracy'?"),
    "direction": (lambda f: ("classic", "--objective", "val_mystery"), "val_mystery:max"),
    "oracle": (lambda f: ("classic", "--oracle", "gird"), "Did you mean 'grid'?"),
    "model": (lambda f: ("classic", "--model", "mpl"), "Did you mean 'mlp'?"),
    "task": (lambda f: ("classic", "--task", "binry"), "binary"),
    "hyperband": (lambda f: ("classic", "--oracle", "hyperband", "--epochs", "27"), "--oracle grid"),
    "module": (lambda f: ("--model", "no_such_module:build"), "no_such_module"),
    "space and build": (lambda f: ("classic", "--model", "tests.helpers.networks:small_network"), "Omit space"),
    "fails": (lambda f: ("--model", write(f, "my_model.py", BUILD).removesuffix(".py") + ":broken"), "ZeroDivisionError: mine"),
    "epochs": (lambda f: ("classic", "--epochs", "0"), "epochs must be a whole number"),
    "pickle": (lambda f: ("classic", "--data", pickled(f)), "pickled"),
    "nan": (lambda f: ("classic", "--data", write(f, "d.csv", "a,y\n1,0\n,1\n3,0\n4,1\n" * 9), "--target", "y"), "missing values in 'a'"),
    "one class": (lambda f: ("classic", "--data", write(f, "d.csv", "a,y\n" + "1,x\n2,x\n" * 9), "--target", "y"), "nothing to learn"),
    "few samples": (lambda f: ("classic", "--data", write(f, "d.csv", "a,y\n1,x\n2,z\n"), "--target", "y"), "too few"),
    "legacy store": (lambda f: legacy(f), "migrate-filestore"),
    "ignored shape": (lambda f: ("--model", "my:build", "--layers", "4", "--batch-norm"), "--layers, --batch-norm would be ignored"),
    "ignored weights": (lambda f: ("classic", "--weights", "keep"), "--weights would be ignored"),
    "ignored bound": (lambda f: ("classic", "--max-executions", "9"), "--max-executions would be ignored"),
    "ignored number": (lambda f: ("classic", "--allocation", "race", "--executions", "9"), "Race(max_executions=9)"),
    "ignored trials": (lambda f: ("joint", "--oracle", "hyperband", "--max-trials", "9"), "max_trials=9 would be ignored"),
    "ignored deletion": (lambda f: ("classic", "--overwrite"), "overwrite would be ignored"),
    "ignored store": (lambda f: ("classic", "--no-tracking", "--experiment", "mine"), "--experiment would be ignored"),
    "duration": (lambda f: ("classic", "--time-budget", "10 minutes"), "--time-budget '10 minutes' is not a duration"),
    "folder store": (lambda f: ("classic", "--tracking-uri", "runs"), "file store"),
}  # fmt: skip


def pickled(folder):
    np.savez(folder / "d.npz", x=np.array([{}], dtype=object), y=np.zeros(1))
    return "d.npz"


def legacy(folder):
    (folder / "mlruns" / "0").mkdir(parents=True)
    (folder / "mlruns" / "0" / "meta.yaml").write_text("name: Default")
    return ("classic",)


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_status_2_with_one_message(program, tmp_path, name):
    arguments, says = BAD[name]
    status, out, err = program("search", *arguments(tmp_path))
    assert status == 2, err
    assert out == ""
    assert [line.startswith("Error:") for line in err.splitlines()].count(True) == 1
    assert says in err


@pytest.mark.slow
def test_a_directory_with_another_search_is_status_2(program, without_mlflow):
    assert program("search", "classic", *QUICK)[0] == 0
    status, _, err = program("search", "classic", *QUICK, "--epochs", 3)
    assert status == 2
    assert "epochs: 2 there, 3 now" in err
    assert "--overwrite" in err
    assert program("search", "classic", *QUICK, "--epochs", 3, "--overwrite")[0] == 0


def test_an_option_that_there_is_not_is_status_2(program):
    assert program("search", "--epoch", 3)[0] == 2


def test_the_help_shows_its_options_in_panels_with_examples(program, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    status, out, _ = program("search", "--help")
    assert status == 0
    assert [f"─ {panel} ─" in out for panel in ("Data", "Model", "Search", "Budget", "Processes", "Output")] == [
        True
    ] * 6
    assert "actsearch search relu,gelu,selu --data my.csv" in out
    assert all(len(line) <= 80 for line in out.splitlines())


def test_spaces_and_activations_complete():
    from actsearch.cli import activations, search, spaces

    assert "relu_variants" in search._complete_space("relu")
    assert "relu" in search._complete_space("relu")
    assert search._complete_space("relu,lea") == ["relu,leaky_relu", "relu,leaky_selu"]
    assert spaces.complete_name("mod") == ["modern"]
    assert activations.complete_name("tanh") == ["tanh", "tanh_shrink"]


def test_without_tracking_there_is_no_store(program, tmp_path):
    status, out, err = program("search", "classic", *QUICK, "--no-tracking", "--json")
    assert status == 0, err
    assert json.loads(out)["mlflow"]["complete"] is None
    assert not (tmp_path / "mlflow.db").exists()


@pytest.mark.parametrize("options", [(), ("--quiet",)])
def test_a_store_that_lacks_data_is_status_4(program, monkeypatch, without_mlflow, options):
    problem = "everything of this run (no answer)"
    monkeypatch.setattr("actsearch.tracking.sync_process.SyncProcess.finish", lambda self: {"problem": problem})
    status, out, err = program("search", "classic", *QUICK, *options)
    assert status == 4
    assert "relu" in out
    assert f"MLflow is missing data: {problem}" in err
