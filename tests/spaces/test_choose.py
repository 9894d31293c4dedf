import keras
import keras_tuner
import pytest

from actsearch.errors import SpaceError
from actsearch.spaces import choices_on, choose, label_of, load_space, matching_of, resolve

SLOPES = {"activations": ["relu", {"leaky_relu": {"slope": [0.01, 0.3]}}, "selu"], "baseline": "relu"}


def with_values(**values) -> keras_tuner.HyperParameters:
    hp = keras_tuner.HyperParameters()
    hp.values = dict(values)
    return hp


def test_the_default_is_the_baseline():
    assert choose(keras_tuner.HyperParameters(), {"activations": ["elu", "relu"], "baseline": "relu"}).name == "relu"


def test_parameters_exist_only_where_their_activation_is_chosen():
    hp = keras_tuner.HyperParameters()
    choose(hp, SLOPES)
    assert hp.values == {"activation": "relu"}
    assert [p.name for p in hp.space] == ["activation", "leaky_relu.slope"]


def test_a_layer_has_the_chosen_parameter():
    chosen = choose(with_values(activation="leaky_relu", **{"leaky_relu.slope": 0.3}), SLOPES)
    assert chosen.label == "leaky_relu(slope=0.3)"
    assert float(chosen.layer()(keras.ops.array([[-1.0]]))[0, 0]) == pytest.approx(-0.3)


def test_each_layer_is_a_new_one():
    chosen = choose(with_values(activation="prelu"), "relu_variants")
    assert chosen.layer() is not chosen.layer()


@pytest.mark.parametrize(("name", "scale"), [("relu", 2.0), ("selu", 1.0)])
def test_the_initializer_fits_the_function(name, scale):
    chosen = choose(with_values(activation=name), "relu_variants")
    assert chosen.initializer().scale == pytest.approx(scale, rel=1e-6)
    assert "initializer" in chosen.matching


def test_the_dropout_fits_the_function():
    assert type(choose(with_values(activation="selu"), "relu_variants").dropout(0.1)) is keras.layers.AlphaDropout
    assert type(choose(with_values(activation="relu"), "relu_variants").dropout(0.1)) is keras.layers.Dropout


def test_without_matching_every_function_gets_the_defaults_of_keras():
    chosen = choose(with_values(activation="selu"), {"activations": ["relu", "selu"], "matching": False})
    assert isinstance(chosen.initializer(), keras.initializers.GlorotUniform)
    assert type(chosen.dropout(0.1)) is keras.layers.Dropout
    assert chosen.matching == {"initializer": "glorot_uniform", "dropout": "Dropout"}


def test_a_site_has_a_choice_of_its_own():
    hp = with_values(**{"activation.one": "relu", "activation.two": "selu"})
    names = [choose(hp, "per_layer", site=site).name for site in ("one", "two")]
    assert names == ["relu", "selu"]
    assert label_of(choices_on(hp).values()) == "relu→selu"


def test_a_space_for_each_site_needs_the_sites_name():
    with pytest.raises(SpaceError, match="site="):
        choose(keras_tuner.HyperParameters(), "per_layer")


def test_a_shared_space_ignores_the_site():
    hp = with_values(activation="elu")
    assert choose(hp, "relu_variants", site="anywhere").name == "elu"
    assert set(hp.values) == {"activation"}


def test_one_label_where_all_sites_agree():
    space = load_space("per_layer")
    values = {"activation.a": "prelu", "activation.b": "prelu"}
    assert label_of(resolve(values, space, site) for site in "ab") == "prelu"


def test_matching_tells_what_the_build_function_uses():
    space = load_space("per_layer")
    values = {"activation.a": "relu", "activation.b": "selu"}
    chosen = [resolve(values, space, site) for site in "ab"]
    assert matching_of(chosen) == {}
    for each in chosen:
        each.initializer()
        each.dropout(0.1)
    matching = matching_of(chosen)
    assert matching["dropout"] == "Dropout, AlphaDropout"
    assert matching["initializer"].startswith("variance_scaling(2, ")
