"""The decisions of a swap before anything is built, and its refusals."""

from collections.abc import Callable
from typing import Any

import keras
import pytest
from keras import layers as kl

from actsearch.activations import get
from actsearch.activations.bound import bind
from actsearch.errors import ModelError, UnknownNameError, UsageError
from actsearch.swap.plan import SwapReport, plan_swap
from actsearch.swap.sites import SiteKind


def net(*layers: kl.Layer, shape: tuple[int, ...] = (4,)) -> keras.Model:
    return keras.Sequential([keras.Input(shape), *layers])


def mlp() -> keras.Model:
    return net(
        kl.Dense(6, activation="relu", name="a"),
        kl.Dense(5, activation="tanh", name="b"),
        kl.Dense(3, activation="softmax", name="head"),
    )


def recurrent() -> keras.Model:
    return net(kl.LSTM(3, return_sequences=True, name="lstm"), kl.SimpleRNN(3, name="rnn"), kl.Dense(1), shape=(4, 2))


def new_by_site(report: SwapReport) -> dict[str, str | None]:
    return {swap.site.name: swap.activation for swap in report.sites}


@pytest.mark.parametrize(
    ("activation", "label"),
    [
        ("elu", "elu"),
        (get("elu"), "elu"),
        (bind("elu", alpha=0.5), "elu(alpha=0.5)"),
        (bind(get("elu"), alpha=1.0), "elu"),
    ],
)
def test_one_activation_for_all_hidden_sites(activation: Any, label: str) -> None:
    assert new_by_site(plan_swap(mlp(), activation)) == {"a": label, "b": label, "head": None}


def test_one_activation_for_each_site() -> None:
    assert new_by_site(plan_swap(mlp(), {"a": "elu", "b": get("prelu")})) == {"a": "elu", "b": "prelu", "head": None}


def test_the_report_says_what_was_left_alone_and_why() -> None:
    report = plan_swap(mlp(), {"a": bind("leaky_relu", slope=0.3)})
    assert [(swap.site.name, swap.activation) for swap in report.replaced] == [("a", "leaky_relu(slope=0.3)")]
    assert [(swap.site.name, swap.reason) for swap in report.left_alone] == [
        ("b", "not among the sites that were named"),
        ("head", "it is an output"),
    ]


def test_gates_and_recurrent_activations_are_left_alone_unless_asked_for() -> None:
    names = ["lstm/activation", "lstm/recurrent_activation", "rnn"]
    everything = plan_swap(recurrent(), "elu", include_gates=True, include_recurrent=True)
    assert new_by_site(everything) == dict.fromkeys(names, "elu")
    states = plan_swap(recurrent(), "elu", include_recurrent=True)
    assert new_by_site(states) == {"lstm/activation": "elu", "lstm/recurrent_activation": None, "rnn": "elu"}
    assert new_by_site(plan_swap(recurrent(), {"rnn": "elu"})) == {**dict.fromkeys(names), "rnn": "elu"}


def test_a_recurrent_layer_takes_a_learned_activation() -> None:
    mixed = net(kl.SimpleRNN(3, name="rnn"), kl.Dense(2, activation="relu", name="a"), kl.Dense(1), shape=(4, 2))
    assert [swap.reason for swap in plan_swap(mixed, "prelu").sites] == ["it is recurrent", ""]
    assert new_by_site(plan_swap(mixed, "prelu", include_recurrent=True)) == {"rnn": "prelu", "a": "prelu"}


def test_attention_cannot_be_replaced_even_when_asked() -> None:
    inputs = keras.Input((5, 4))
    x = kl.MultiHeadAttention(2, 2, name="heads")(inputs, inputs)
    report = plan_swap(keras.Model(inputs, kl.Dense(1)(kl.ReLU(name="r")(x))), "elu", include_gates=True)
    softmax, relu = report.sites
    assert (softmax.site.kind, softmax.activation, relu.activation) == (SiteKind.GATE, None, "elu")
    assert softmax.reason == "the code of the layer around it applies it, where it cannot be replaced"


@pytest.mark.parametrize(
    ("make", "activation", "error", "message"),
    [
        (lambda: net(kl.Dense(1)), "elu", ModelError, "has no activations, so"),
        (
            lambda: net(kl.Dense(4), kl.Dense(2, activation="softmax", name="head")),
            "elu",
            ModelError,
            r"no activation that can be replaced \(head: it is an output\)",
        ),
        (
            lambda: net(kl.GRU(3, name="gru"), kl.Dense(1), shape=(4, 2)),
            "elu",
            ModelError,
            r"gru/activation: it is recurrent.*include_recurrent=True.*include_gates=True",
        ),
        (mlp, "rleu", UnknownNameError, r"Unknown activation 'rleu'\. Did you mean 'relu'"),
        (mlp, ("elu", {"alpha": 1.0}), UsageError, "expected a name, an Activation or a BoundActivation"),
        (mlp, {"heads": "elu"}, UnknownNameError, r"Unknown activation site 'heads'\. Did you mean 'head'"),
        (mlp, {"head": "elu"}, UsageError, "'head' cannot be replaced: it is an output"),
        (keras.Model, "elu", ModelError, r"subclassed model that is not built.*actsearch\.search"),
    ],
)
def test_what_cannot_be_done_is_refused(
    make: Callable[[], Any], activation: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        plan_swap(make(), activation)


def test_a_report_is_a_table_in_print_and_one_line_in_repr():
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(8, "relu", name="a"), keras.layers.Dense(3, "softmax", name="b")]
    )
    report = plan_swap(model, "selu")
    assert repr(report) == "<SwapReport: 1 of 2 activation sites are replaced>"
    assert [line.split(maxsplit=2) for line in str(report).splitlines()[:3]] == [
        ["site", "activation", "becomes"],
        ["a", "relu", "selu"],
        ["b", "softmax", "stays: it is an output"],
    ]
    assert str(report).splitlines()[3].startswith("a.initializer: variance_scaling")
    page = report._repr_html_()
    assert "<td>stays: it is an output</td>" in page
    assert page.count("<svg") == len(report.replaced) > 0


def test_remarks_name_what_stays():
    mixed = net(
        kl.SimpleRNN(3, name="a", return_sequences=True),
        kl.SimpleRNN(3, name="b"),
        kl.Dense(2, activation="relu", name="dense"),
        kl.Dense(1, activation="sigmoid"),
        shape=(4, 2),
    )
    assert plan_swap(mixed, "elu").remarks == (
        "2 of 3 hidden activations stay tanh in all trials: a, b (it is recurrent).",
    )
    everything = plan_swap(mixed, "elu", include_recurrent=True)
    assert everything.remarks == ()
    assert everything.summary == "3 of 4 activations are searched: a, b, dense."
