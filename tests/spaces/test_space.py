import keras_tuner
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from actsearch.activations import registry
from actsearch.errors import SpaceError, UnknownNameError
from actsearch.spaces import SearchSpace, load_space, space_names


def write(folder, text: str):
    path = folder / "mine.yaml"
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize("name", space_names())
def test_every_shipped_space_is_valid_and_says_when_to_use_it(name):
    space = load_space(name)
    assert space.name == name
    assert space.description
    assert space.baseline in space.names


def test_the_shipped_spaces_are_those_of_the_documentation():
    assert space_names() == sorted(
        ["classic", "elu_family", "everything", "joint", "modern", "per_layer", "prelu_family", "relu_variants", "selu_family"]
    )  # fmt: skip
    assert load_space("relu_variants").names == ["relu", "leaky_relu", "prelu", "elu", "selu"]
    assert load_space("classic").names == ["sigmoid", "tanh", "relu"]


def test_a_file_is_named_after_itself(tmp_path):
    assert load_space(write(tmp_path, "activations: [relu, elu]\n")).name == "mine"


def test_numbers_in_the_short_form_of_science_are_numbers(tmp_path):
    space = load_space(
        write(
            tmp_path, "activations: [relu]\nhyperparameters: {learning_rate: {min: 1e-4, max: 1e-2, sampling: log}}\n"
        )
    )
    assert space.hyperparameters["learning_rate"].min == 0.0001


def test_hyperparameters_are_registered_with_their_kinds():
    hyperparameters = {
        "learning_rate": {"min": 0.001, "max": 0.1, "sampling": "log"},
        "layers": {"min": 1, "max": 4},
        "units": [32, 64],
        "batch_norm": [True, False],
        "optimizer": ["adam", "sgd"],
        "dropout": 0.1,
    }
    hp = keras_tuner.HyperParameters()
    values = SearchSpace(activations=["relu"], hyperparameters=hyperparameters).register(hp)
    kinds = {p.name: type(p).__name__ for p in hp.space}
    assert kinds == {
        "learning_rate": "Float", "layers": "Int", "units": "Choice", "batch_norm": "Boolean", "optimizer": "Choice", "dropout": "Fixed",
    }  # fmt: skip
    assert values["batch_norm"] is True
    assert values["units"] == 32


NUMBERS = st.floats(0.01, 10, allow_nan=False).map(lambda v: round(v, 4))
DOMAINS = st.one_of(
    NUMBERS,
    st.lists(NUMBERS, min_size=2, max_size=4, unique=True),
    st.tuples(NUMBERS, NUMBERS).filter(lambda p: p[0] < p[1]).map(lambda p: {"min": p[0], "max": p[1]}),
)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_space_survives_yaml_and_back(data):
    names = data.draw(st.lists(st.sampled_from(registry.names()), min_size=1, max_size=6, unique=True))
    activations = []
    for name in names:
        parameters = {p: data.draw(DOMAINS) for p in registry.get(name).parameters if data.draw(st.booleans())}
        activations.append({name: parameters} if parameters else name)
    content = {
        "activations": activations,
        "baseline": data.draw(st.sampled_from(names)),
        "sites": data.draw(st.sampled_from(["shared", "per_layer", "per_block"])),
        "matching": data.draw(st.booleans()),
        "hyperparameters": {"width": data.draw(DOMAINS)},
    }
    space = load_space(content)
    assert load_space(yaml.safe_load(yaml.safe_dump(space.to_dict()))) == space


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("activations: [relu, rleu]", "mine.yaml: line 1: activations[1]: Unknown activation 'rleu'. Did you mean 'relu'?"),
        ("activations: [relu]\nbasline: relu", "Unknown key 'basline'. Did you mean 'baseline'?"),
        ("activations: relu", "activations"),
        ("activations: []", "at least 1 item"),
        ("activations:\n  - relu\n  - leaky_relu: {slope: {min: 0.3, max: 0.1}}", "line 3: activations[1].leaky_relu.slope"),
        ("activations:\n  - leaky_relu: {slpe: 0.1}", "Did you mean 'slope'"),
        ("activations:\n  - leaky_relu: {slope: steep}", "leaky_relu.slope must be a number"),
        ("activations: [relu, relu]", "duplicate activation relu"),
        ("activations: [relu]\nactivations: [elu]", "duplicate key 'activations'"),
        ("activations: [relu]\nbaseline: elu", "the baseline 'elu' is not among"),
        ("activations: [relu]\nsites: each", "sites"),
        ("activations: [relu]\nmatching: sometimes", "matching"),
        ("activations: [relu]\nhyperparameters: {units: []}", "at least 1 item"),
        ("activations: [relu]\nhyperparameters: {units: {min: 1, max: 5, sampling: cubic}}", "'linear' or 'log'"),
        ("activations: [relu]\nhyperparameters: {units: {min: 0, max: 5, sampling: log}}", "must start above 0"),
        ("activations: [relu]\nhyperparameters: {activation: [1, 2]}", "name reserved for the activation"),
        ("activations: [relu", "Expected plain YAML"),
        ("activations: !!python/object/apply:os.system ['true']", "Expected plain YAML"),
        ("a: &x [relu]\nactivations: *x", "aliases are not allowed"),
        ("- relu", "expected a mapping"),
        ("", "found nothing"),
        ("\t", "Expected plain YAML"),
    ],
)  # fmt: skip
def test_a_broken_file_is_refused_with_its_place(tmp_path, text, says):
    with pytest.raises(SpaceError) as error:
        load_space(write(tmp_path, text))
    assert "mine.yaml" in str(error.value)
    assert says in str(error.value)


def test_a_python_tag_is_never_loaded(tmp_path):
    marker = tmp_path / "made"
    text = f"activations: !!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path ['{marker}']]"
    with pytest.raises(SpaceError):
        load_space(write(tmp_path, text))
    assert not marker.exists()


@pytest.mark.parametrize(("wrong", "nearest"), [("relu_variant", "relu_variants"), ("rleu", "relu")])
def test_an_unknown_name_offers_the_nearest_of_spaces_and_activations(wrong, nearest):
    with pytest.raises(
        UnknownNameError, match=f"Unknown search space or activation '{wrong}'. Did you mean '{nearest}'"
    ):
        load_space(wrong)


@pytest.mark.parametrize(
    "activations", [["gelu", "relu", "selu"], ("gelu", "relu", "selu"), "gelu,relu,selu", " GELU , ReLU,selu,"]
)
def test_a_list_of_activations_is_a_space(activations):
    space = load_space(activations)
    assert space.names == ["gelu", "relu", "selu"]
    assert (space.baseline, space.name) == ("relu", "gelu-relu-selu")
    assert load_space(space.to_dict()) == space


def test_without_relu_the_first_of_a_list_is_the_baseline():
    assert load_space("selu,gelu").baseline == "selu"


def test_a_long_list_has_a_short_name():
    assert load_space("relu,elu,selu,gelu").name == "relu-elu-selu-gelu"
    assert load_space("relu,elu,selu,gelu,silu,mish").name == "relu-elu-selu-3-more"


def test_a_list_may_vary_parameters_as_a_file_may():
    space = load_space(["relu", {"leaky_relu": {"slope": [0.1, 0.3]}}])
    assert space.candidate("leaky_relu").varied.keys() == {"slope"}
    assert load_space([{"leaky_relu": {"slope": [0.1, 0.3]}}]).names == ["leaky_relu"]


@pytest.mark.parametrize("one", ["selu", "SELU", ["selu"], "selu,", [{"selu": {}}]])
def test_one_activation_is_not_a_search(one):
    with pytest.raises(
        SpaceError, match="is one activation, and a search compares several. .* relu,selu, or a search space"
    ):
        load_space(one)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("relu,rleu", r"search space: activations\[1\]: Unknown activation 'rleu'. Did you mean 'relu'"),
        ("relu,relu_variants", "Unknown activation 'relu_variants'"),
        ("silu,swish", "duplicate activation silu"),
        (["relu", {"leaky_relu": {"slpe": 0.1}}], "Did you mean 'slope'"),
        ([], "at least 1 item"),
        (",", "at least 1 item"),
        (["relu", 3], "activations"),
        ([["relu", "elu"], "selu"], "activations"),
        ({"relu", "elu"}, "expected a name, a path, a list of activations or a dict, not {"),
        (3, "expected a name, a path, a list of activations or a dict, not 3"),
    ],
)
def test_a_wrong_list_is_refused_with_its_place(wrong, says):
    with pytest.raises(SpaceError, match=says):
        load_space(wrong)


def test_aliases_are_recorded_by_their_canonical_names():
    space = load_space({"activations": ["Swish", {"LeakyReLU": {"slope": 0.1}}, "logistic"], "baseline": "swish"})
    assert space.names == ["silu", "leaky_relu", "sigmoid"]
    assert space.baseline == "silu"
    assert space.to_dict()["activations"] == ["silu", {"leaky_relu": {"slope": 0.1}}, "sigmoid"]


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(SpaceError, match="cannot be read: No such file"):
        load_space(tmp_path / "none.yaml")


def test_bytes_that_are_no_text(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SpaceError, match="not UTF-8"):
        load_space(path)


def test_a_dict_is_checked_too():
    with pytest.raises(SpaceError, match="search space: activations"):
        load_space({"activations": ["nothing"]})


def test_a_space_does_not_change():
    with pytest.raises(ValidationError):
        load_space("classic").baseline = "tanh"
