"""Bound activations: labels, layers, equality, and conversion to and from records."""

import json

import keras
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actsearch.activations import registry
from actsearch.activations.bound import BoundActivation, activation_name, bind
from actsearch.activations.registry import get
from actsearch.errors import UnknownNameError


@st.composite
def bound_activations(draw):
    entry = get(draw(st.sampled_from(registry.names())))
    values = {name: draw(st.floats(p.low, p.high)) for name, p in entry.parameters.items() if draw(st.booleans())}
    return BoundActivation(entry, values)


@given(bound_activations())
def test_it_survives_json_and_back(bound):
    again = BoundActivation.from_dict(json.loads(json.dumps(bound.to_dict())))
    assert again == bound
    assert hash(again) == hash(bound)
    assert again.label == bound.label


@given(bound_activations())
def test_the_name_can_be_read_from_the_label(bound):
    assert activation_name(bound.label) == bound.name


def test_defaults_fill_in_and_are_not_part_of_the_label():
    bound = bind("rrelu", low=0.25)
    assert bound.parameters == {"low": 0.25, "high": 1 / 3}
    assert bound.label == "rrelu(low=0.25)"
    assert bind("rrelu", low=1 / 8).label == "rrelu"


def test_equal_values_are_equal_activations():
    assert bind("leaky_relu", slope=0.01) == bind("leaky_relu")
    assert bind("leaky_relu", slope=0.02) != bind("leaky_relu")
    assert len({bind("elu"), bind("elu", alpha=1), bind("elu", alpha=0.5)}) == 2


def test_its_values_cannot_be_changed_through_the_mapping_that_made_it():
    given_values = {"slope": 0.3}
    bound = BoundActivation(get("leaky_relu"), given_values)
    given_values["slope"] = 0.5
    assert bound.parameters == {"slope": 0.3}


def test_a_bound_one_keeps_what_is_not_given_again():
    assert bind(bind("rrelu", low=0.2), high=0.4) == bind("rrelu", low=0.2, high=0.4)


def test_what_it_makes():
    bound = bind("leaky_relu", slope=0.3)
    assert float(bound.layer()(keras.ops.array([[-1.0]]))[0, 0]) == pytest.approx(-0.3)
    assert bound.layer() is not bound.layer()
    assert bound.initializer(seed=3).get_config()["seed"] == 3
    assert bound.initializer().scale == pytest.approx(2 / 1.09)
    assert type(bound.dropout(0.1)) is keras.layers.Dropout
    assert type(bind("selu").dropout(0.1)) is keras.layers.AlphaDropout


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"name": "rleu", "parameters": {}}, "Unknown activation 'rleu'. Did you mean 'relu'?"),
        ({"name": "elu", "parameters": {"alhpa": 1.0}}, "parameter of elu 'alhpa'. Did you mean 'alpha'?"),
    ],
)
def test_what_is_not_registered_is_refused(data, message):
    with pytest.raises(UnknownNameError, match=message.replace("?", r"\?")):
        BoundActivation.from_dict(data)


def test_a_notebook_shows_the_function_with_a_picture():
    page = bind("leaky_relu", slope=0.3)._repr_html_()
    assert "<b>leaky_relu(slope=0.3)</b>" in page
    assert page.count("<polyline") == 1
