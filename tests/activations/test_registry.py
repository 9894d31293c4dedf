"""Looking up, adding and refusing activations, and plug-ins of other packages."""

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

from actsearch.activations import Activation, Parameter, get, names, register, registry
from actsearch.errors import UnknownNameError, UsageError

ROOT = Path(__file__).parents[2]


def cube(x, scale=1.0):
    return scale * x**3


def cube_entry(name="cube", **changes):
    settings = {
        "family": "user",
        "formula": "scale·x³",
        "reference": "a test",
        "function": cube,
        "make": lambda **parameters: parameters,
        "parameters": {"scale": Parameter(1.0, 0.5, 2.0, "factor")},
    }
    return Activation(name, **(settings | changes))


def install(folder, package, entry_points, **modules):
    """A distribution as pip would leave it: its modules and a dist-info folder."""
    for name, code in modules.items():
        (folder / f"{name}.py").write_text(dedent(code))
    info = folder / f"{package.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = "".join(f"{name} = {value}\n" for name, value in entry_points.items())
    (info / "entry_points.txt").write_text(f"[actsearch.activations]\n{lines}")


GOOD = """
    import numpy as np
    from actsearch.activations import Activation, get

    def squash(x):
        return get("tanh")(x) / 2

    def make():
        import keras
        return keras.layers.Activation("tanh")

    entry = Activation("squash", "user", "tanh(x)/2", "a plug-in", squash, make, kinks=())
"""


def run(code, *paths):
    done = subprocess.run(
        [sys.executable, "-c", dedent(code)],
        env={"PYTHONPATH": ":".join(map(str, paths)), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_catalogue_loads_neither_keras_nor_scipys_integrators(tmp_path):
    install(tmp_path, "light-plugin", {"squash": "light_plugin:entry"}, light_plugin=GOOD)
    code = """
        import sys
        from actsearch.activations import get, names
        assert get("relu")(-1.0) == 0.0
        print(*names(), *(m for m in ("keras", "tensorflow", "scipy.integrate") if m in sys.modules))
    """
    printed = run(code, ROOT, tmp_path)
    assert printed[:2] == ["linear", "relu"]
    assert printed[-1] == "squash"


def test_unknown_name_offers_the_nearest_and_says_where():
    with pytest.raises(UnknownNameError, match=r"my\.yaml: Unknown activation 'rleu'\. Did you mean 'relu'\?"):
        get("rleu", where="my.yaml")


@pytest.mark.parametrize(
    ("spelt", "name"),
    [
        *((spelt, "leaky_relu") for spelt in ("LeakyReLU", "lrelu", "leakyrelu", "LRELU", "leaky_ReLU")),
        *((spelt, "silu") for spelt in ("swish", "Swish", "SiLU", "SILU")),
        *((spelt, "hard_silu") for spelt in ("hard_swish", "hardswish", "Hardswish", "HardSwish", "HardSiLU")),
        *(
            (spelt, spelt.lower())
            for spelt in ("ReLU", "ReLU6", "PReLU", "RReLU", "ELU", "CELU", "SELU", "GELU", "Mish")
        ),
        *((spelt, "hard_sigmoid") for spelt in ("hardsigmoid", "Hardsigmoid", "HardSigmoid")),
        *((spelt, "hard_tanh") for spelt in ("hardtanh", "Hardtanh", "HardTanh")),
        *(("logistic", "sigmoid"), ("LogSigmoid", "log_sigmoid"), ("Softsign", "softsign"), ("SoftPlus", "softplus")),
        *(("Softshrink", "soft_shrink"), ("Hardshrink", "hard_shrink"), ("Tanhshrink", "tanh_shrink")),
    ],
)
def test_spellings_of_keras_and_pytorch_are_understood(spelt, name):
    assert get(spelt) is get(name)


def test_aliases_lead_to_entries_and_hide_none():
    assert set(registry.ALIASES.values()) <= set(names())
    assert not set(registry.ALIASES) & {name.replace("_", "") for name in names()}


@pytest.mark.usefixtures("own_register")
def test_a_name_that_is_registered_goes_before_an_alias():
    registry.add(cube_entry("swish"))
    assert get("swish").formula == "scale·x³"
    assert get("Swish").formula == "scale·x³"
    assert get("silu").name == "silu"


def test_unknown_parameter_offers_the_nearest():
    with pytest.raises(UnknownNameError, match=r"parameter of leaky_relu 'slop'\. Did you mean 'slope'\?"):
        get("leaky_relu").values({"slop": 0.1})


def test_values_fill_in_defaults():
    assert get("rrelu").values({"low": 0.2}) == {"low": 0.2, "high": 1 / 3}


def test_calling_an_entry_computes_in_float64():
    values = get("leaky_relu")(np.array([-2, 4], dtype=np.int8), slope=0.5)
    assert values.dtype == np.float64
    assert values.tolist() == [-1.0, 4.0]


def test_kinks_follow_the_parameters():
    assert get("hard_shrink").kinks_at() == (-0.5, 0.5)
    assert get("hard_shrink").kinks_at({"threshold": 0.75}) == (-0.75, 0.75)
    assert get("relu6").kinks_at() == (0.0, 6.0)


@pytest.mark.usefixtures("own_register")
def test_added_entry_is_the_last_and_gets_its_parameters():
    registry.add(cube_entry())
    assert names()[-1] == "cube"
    assert get("cube")(2.0, scale=3.0) == 24.0
    assert get("cube").layer() == {"scale": 1.0}


@pytest.mark.usefixtures("own_register")
def test_name_that_another_function_has_is_refused():
    before = get("relu")
    with pytest.raises(UsageError, match=r"'relu' is already registered \(max\(0, x\)\)\. .* another name"):
        registry.add(cube_entry("relu"))
    assert get("relu") is before


@pytest.mark.usefixtures("own_register")
def test_same_function_may_be_registered_again():
    registry.add(cube_entry())
    registry.add(cube_entry(formula="x³ times scale"))
    assert get("cube").formula == "x³ times scale"
    assert names().count("cube") == 1


@pytest.mark.usefixtures("fresh_register")
def test_name_clash_is_found_even_before_the_catalogue_was_read():
    def relu(x):
        return x

    with pytest.raises(UsageError, match="'relu' is already registered"):
        register(relu)
    assert get("relu").formula == "max(0, x)"


@pytest.mark.usefixtures("fresh_register")
def test_plug_in_may_give_an_entry_a_decorated_function_or_a_module(tmp_path, monkeypatch):
    decorated = """
        import keras
        from actsearch.activations import register

        @register(formula="x²")
        def plugged_square(x):
            return keras.ops.square(x)
    """
    points = {
        "squash": "several_plugin:entry",
        "square": "several_decorated:plugged_square",
        "all": "several_decorated",
    }
    install(tmp_path, "several-plugin", points, several_plugin=GOOD, several_decorated=decorated)
    monkeypatch.syspath_prepend(tmp_path)
    assert sorted(names()[-2:]) == ["plugged_square", "squash"]
    assert get("squash")(0.3) == np.tanh(0.3) / 2
    assert get("plugged_square")(3.0) == 9.0
    assert names().count("plugged_square") == 1


@pytest.mark.usefixtures("fresh_register")
@pytest.mark.parametrize(
    ("entry_point", "code", "reason"),
    [
        ("broken:entry", "import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("broken:entry", "x = 1", "AttributeError: module .* has no attribute 'entry'"),
        ("broken:entry", "entry = 1", "UsageError: broken.*:entry is not an Activation"),
        ("broken:entry", "def entry(x): return x", "UsageError: broken.*:entry is not an Activation"),
        ("broken:entry", GOOD.replace('"squash"', '"relu"'), "UsageError: .* 'relu' is already registered"),
    ],
)
def test_plug_in_that_fails_is_named_and_the_rest_works(tmp_path, monkeypatch, entry_point, code, reason):
    broken, good = f"broken_{tmp_path.name}", f"good_{tmp_path.name}"
    install(tmp_path, "broken-plugin", {"wrong": entry_point.replace("broken", broken)}, **{broken: code})
    install(tmp_path, "good-plugin", {"squash": f"{good}:entry"}, **{good: GOOD})
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.warns(RuntimeWarning, match=rf"plug-in 'wrong' .* of broken-plugin is omitted: {reason}") as seen:
        known = names()
    assert len(seen) == 1
    assert seen[0].filename == __file__
    assert known[-1] == "squash"
    assert get("relu").formula == "max(0, x)"
