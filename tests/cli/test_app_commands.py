"""The commands that train nothing."""

import os
import signal
import subprocess
import sys
import urllib.request

import psutil
import pytest
from typer.main import get_command

import actsearch
from actsearch.activations import registry
from actsearch.cli.app import app
from tests.helpers.networks import small_network


def test_help_names_every_command(program):
    _, out, _ = program("--help")
    assert all(command in out for command in ("search", "report", "ui", "activations", "spaces"))


COMMANDS = get_command(app).commands


@pytest.mark.parametrize("name", list(COMMANDS))
def test_help_fits_80_columns_and_has_examples(program, monkeypatch, name):
    monkeypatch.setenv("COLUMNS", "80")
    status, out, _ = program(name, "--help")
    assert status == 0
    assert max(map(len, out.splitlines())) <= 80
    assert f"actsearch {name}" in out.partition("Examples:")[2]


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_option_has_a_sentence(name):
    for option in COMMANDS[name].params:
        assert option.help.endswith((".", ").")), option.name
        assert len(option.help.split()) > 2, option.name


def test_help_says_how_the_program_ends(program):
    _, out, _ = program("--help")
    assert "3 with" in out
    assert all(f"─ {panel} ─" in out for panel in ("Search", "Results", "Activations and models"))


def test_the_list_needs_no_tensorflow_and_no_statistics():
    code = (
        "import sys; sys.argv = ['actsearch', 'activations']\n"
        "from actsearch.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "sys.exit([name for name in ('tensorflow', 'keras', 'scipy.stats', 'mlflow') if name in sys.modules] or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_version(program):
    assert program("--version")[1].strip() == actsearch.__version__


def test_the_list_has_every_activation(program):
    _, out, _ = program("activations")
    assert all(name in out for name in registry.names())


@pytest.mark.parametrize("name", registry.names())
def test_one_activation_in_full(program, name):
    status, out, err = program("activations", name)
    assert status == 0, err
    entry = registry.get(name)
    assert entry.formula in out
    assert entry.reference in out
    assert "matched initializer" in out
    assert sum(0x2800 <= ord(mark) < 0x2900 for mark in out) > 50  # its curve, in braille


def test_the_list_of_activations_fits_a_narrow_terminal_by_family(program, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "60")
    _, out, _ = program("activations")
    lines = out.splitlines()
    assert max(map(len, lines)) <= 60
    assert lines[0] == "linear:"
    assert "  parametric_selu" in out


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_a_picture(program, tmp_path, kind):
    assert program("activations", "gelu", "--plot", f"gelu.{kind}")[0] == 0
    assert (tmp_path / f"gelu.{kind}").stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("activations", "geluu"), "Did you mean 'gelu'"),
        (("activations", "gelu", "--plot", "gelu.xyz"), ".png"),
        (("activations", "--plot", "all.png"), "name it"),
        (("spaces", "modrn"), "Did you mean 'modern'"),
        (
            ("search", "selu"),
            "selu is one activation, and a search compares several. Give two or more, such as relu,selu",
        ),
        (("search", "relu,rleu"), "Unknown activation 'rleu'. Did you mean 'relu'?"),
        (("report", "nowhere"), "no search here"),
        (("ui", "nowhere"), "no search here"),
    ],
)
def test_wrong_use_is_status_2(program, arguments, says):
    status, _, err = program(*arguments)
    assert status == 2
    assert says in err


def test_a_space_is_printed_as_its_file(program, tmp_path):
    _, out, _ = program("spaces", "classic")
    (tmp_path / "mine.yaml").write_text(out)
    assert actsearch.load_space(tmp_path / "mine.yaml").names == ["sigmoid", "tanh", "relu"]


def test_a_list_of_activations_is_printed_as_a_file(program, tmp_path):
    _, out, _ = program("spaces", "swish,gelu")
    (tmp_path / "mine.yaml").write_text(out)
    assert actsearch.load_space(tmp_path / "mine.yaml") == actsearch.load_space(["silu", "gelu"])


def test_all_spaces_are_listed(program):
    _, out, _ = program("spaces")
    assert "relu_variants" in out
    assert "joint" in out


def test_ui_without_a_store_says_so(program):
    status, _, err = program("ui")
    assert status == 1
    assert "Run a search first" in err


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_the_ui_serves_the_store_of_a_search_from_any_folder(digits, store, tmp_path, tmp_path_factory, how):
    x, y = digits

    def build(hp):
        return small_network(hp, {"activations": ["relu", "tanh"]})

    actsearch.search(
        build, x, y, epochs=1, executions=1, verbose=0, directory="found", tracking=actsearch.MLflow(experiment="seen")
    )
    others = _children_of(os.getpid())  # servers of other tests
    ui = subprocess.Popen(
        [sys.executable, "-c", "from actsearch.cli import main; main()", "ui", str(tmp_path / "found")],
        cwd=tmp_path_factory.mktemp("elsewhere"),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        with ui.stdout as output:
            line = output.readline()
            shown = [word for process in psutil.Process(ui.pid).children(recursive=True) for word in process.cmdline()]
            assert not any("mlflow.db" in word for word in shown)  # the store's address may hold a password
            address = line.split()[2]
            assert address.startswith("http://127.0.0.1:")
            address, _, page = address.partition("/#")
            assert "viewStateShareKey=actsearch-" in page
            request = urllib.request.Request(
                f"{address}/api/2.0/mlflow/experiments/get-by-name?experiment_name=seen",
                headers={"Accept": "application/json"},
            )
            with urllib.request.urlopen(request, timeout=20) as answer:
                assert b'"seen"' in answer.read()
            ui.send_signal(how)
            assert ui.wait(timeout=30) == 0
    finally:
        ui.kill()
        ui.wait()
    with pytest.raises(OSError):
        urllib.request.urlopen(address, timeout=2)
    assert not [p for p in _children_of(os.getpid()) if "mlflow" in p and p not in others]


def _children_of(pid):
    import psutil

    return [" ".join(child.cmdline()) for child in psutil.Process(pid).children(recursive=True)]


def test_advise_finds_what_is_wrong(program, tmp_path):
    import keras

    model = keras.Sequential(
        [keras.Input((64,)), keras.layers.Dense(8, activation="relu"), keras.layers.Dense(1, activation="softmax")]
    )
    model.compile("adam", "binary_crossentropy")
    model.save(tmp_path / "wrong.keras")
    status, out, err = program("advise", "wrong.keras")
    assert status == 0, err
    assert "softmax over one unit" in out
    assert program("advise", "none.keras")[0] == 2


@pytest.mark.slow
def test_an_existing_model_is_searched(program, tmp_path, without_mlflow):
    import keras

    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(8, "relu"),
            keras.layers.Dense(10, "softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.save(tmp_path / "mine.keras")
    options = ("--model", "mine.keras", "--epochs", 1, "--executions", 1, "--directory", "found")
    status, out, err = program("search", "classic", "--data", "digits", *options)
    assert status == 0, err
    assert "tanh" in out
    status, _, err = program("search", "classic", "--data", "wine", *options, "--overwrite")
    assert status == 2
    assert "samples of shape (8, 8, 1)" in err
