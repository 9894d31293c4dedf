"""The sites found in a model, and their attributes."""

import keras
import pytest
from keras import layers as kl

import actsearch.layers as ours
from actsearch.errors import ModelError
from actsearch.swap.recognition import SlotKind
from actsearch.swap.sites import Feeder, Site, SiteKind, find_sites


def sites_of(model: keras.Model) -> dict[str, Site]:
    return {site.name: site for site in find_sites(model)}


def kinds_of(model: keras.Model) -> dict[str, str]:
    return {site.name: str(site.kind) for site in find_sites(model)}


def test_a_sequential_model() -> None:
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            kl.Conv2D(4, 3, activation="relu", name="conv"),
            kl.BatchNormalization(),
            kl.LeakyReLU(0.3, name="leaky"),
            kl.Flatten(),
            kl.Dense(5, name="linear"),
            kl.Dense(2, activation="softmax", name="head"),
        ]
    )
    assert find_sites(model) == (
        Site(
            name="conv",
            activation="relu",
            parameters={},
            in_catalogue=True,
            learned=False,
            kind=SiteKind.HIDDEN,
            slot_kind=SlotKind.ARGUMENT,
            layer_class="Conv2D",
            shape=(None, 6, 6, 4),
            feeders=(Feeder("conv", "Conv2D"),),
            num_uses=1,
            block=0,
        ),
        Site(
            name="leaky",
            activation="leaky_relu",
            parameters={"slope": 0.3},
            in_catalogue=True,
            learned=False,
            kind=SiteKind.HIDDEN,
            slot_kind=SlotKind.LAYER,
            layer_class="LeakyReLU",
            shape=(None, 6, 6, 4),
            feeders=(Feeder("conv", "Conv2D"),),
            num_uses=1,
            block=0,
        ),
        Site(
            name="head",
            activation="softmax",
            parameters={},
            in_catalogue=False,
            learned=False,
            kind=SiteKind.OUTPUT,
            slot_kind=SlotKind.ARGUMENT,
            layer_class="Dense",
            shape=(None, 2),
            feeders=(Feeder("head", "Dense"),),
            num_uses=1,
            block=None,
        ),
    )


@pytest.mark.parametrize(
    ("layer", "activation", "learned"),
    [
        (kl.Activation("gelu"), "gelu", False),
        (kl.Activation("swish"), "silu", False),
        (kl.ReLU(), "relu", False),
        (kl.ReLU(6), "relu6", False),
        (kl.ReLU(negative_slope=0.1), "leaky_relu", False),
        (kl.ReLU(4, threshold=1), "relu(max_value=4.0, slope=0, threshold=1)", False),
        (kl.LeakyReLU(), "leaky_relu", False),
        (kl.PReLU(), "prelu", True),
        (kl.ELU(), "elu", False),
        (ours.PReLU(), "prelu", True),
        (ours.ELU(), "elu", False),
        (kl.Dense(4, activation=lambda x: x * 2), "<lambda>", False),
        (kl.Dense(4, activation=ours.ELU()), "elu", False),
    ],
)
def test_what_stands_there(layer: kl.Layer, activation: str, learned: bool) -> None:
    (site,) = find_sites(keras.Sequential([keras.Input((4,)), kl.Dense(4), layer, kl.Dense(1)]))
    assert (site.activation, site.learned, site.kind) == (activation, learned, SiteKind.HIDDEN)


def test_linear_activations_are_no_sites() -> None:
    model = keras.Sequential([keras.Input((4,)), kl.Dense(4), kl.Activation("linear"), kl.Dense(1, "linear")])
    assert find_sites(model) == ()


def test_operations_are_found_with_the_layer_that_feeds_them() -> None:
    inputs = keras.Input((4,))
    x = keras.ops.leaky_relu(kl.Dense(4, name="fc1")(inputs), 0.2)
    x = keras.activations.relu(kl.LayerNormalization()(kl.Dense(4, name="fc2")(x)))
    x = keras.ops.tanh(kl.Dropout(0.1)(kl.Dense(4, name="fc3")(x)))
    found = find_sites(keras.Model(inputs, kl.Dense(1)(x)))
    assert [(s.activation, s.parameters) for s in found] == [("leaky_relu", {"slope": 0.2}), ("relu", {}), ("tanh", {})]
    assert [s.feeder for s in found] == [Feeder(name, "Dense") for name in ("fc1", "fc2", "fc3")]
    assert {s.slot_kind for s in found} == {SlotKind.OPERATION}


def test_a_sum_of_branches_is_no_layer_with_weights() -> None:
    inputs = keras.Input((4,))
    both = kl.Add(name="sum")([kl.Dense(4)(inputs), inputs])
    (site,) = find_sites(keras.Model(inputs, kl.Dense(1)(kl.ReLU()(both))))
    assert site.feeder == Feeder("sum", "Add")


def test_nested_models_and_wrappers_are_named_by_their_path() -> None:
    frame = keras.Sequential([keras.Input((4,)), kl.Dense(4, activation="relu", name="fc")], name="frame")
    inputs = keras.Input((3, 4))
    x = kl.TimeDistributed(frame, name="each")(inputs)
    x = kl.TimeDistributed(kl.Dense(2, activation="elu", name="small"), name="then")(x)
    x = kl.Flatten()(x)
    tail = keras.Input((6,))
    classify = keras.Model(tail, kl.Dense(2, activation="sigmoid", name="head")(tail), name="classify")
    assert kinds_of(keras.Model(inputs, classify(x))) == {
        "each/frame/fc": "hidden",
        "then/small": "hidden",
        "classify/head": "output",
    }


def test_shared_layers_are_one_site_with_several_uses() -> None:
    left, right = keras.Input((4,)), keras.Input((4,))
    tower = keras.Sequential([keras.Input((4,)), kl.Dense(4, activation="relu", name="fc")], name="tower")
    relu = kl.ReLU(name="relu")
    x = [relu(kl.Dense(3, name=name)(tower(side))) for name, side in (("a", left), ("b", right))]
    sites = sites_of(keras.Model([left, right], kl.Dense(1)(kl.Concatenate()(x))))
    assert {name: site.num_uses for name, site in sites.items()} == {"tower/fc": 2, "relu": 2}
    assert [f.name for f in sites["relu"].feeders] == ["a", "b"]
    assert sites["relu"].feeder is None


@pytest.mark.parametrize("last", [kl.Flatten(), kl.Reshape((2, 2)), kl.Rescaling(3.0), kl.Activation("linear")])
def test_outputs_may_be_reshaped_or_scaled(last: kl.Layer) -> None:
    inputs = keras.Input((4,))
    hidden = kl.Dense(4, activation="tanh", name="hidden")(inputs)
    outputs = last(kl.Dense(4, activation="tanh", name="out")(hidden))
    assert kinds_of(keras.Model(inputs, outputs)) == {"hidden": "hidden", "out": "output"}


def test_several_outputs_and_one_in_the_middle() -> None:
    inputs = keras.Input((4,))
    code = kl.Dense(2, activation="relu", name="code")(inputs)
    wide = kl.Dense(4, activation="relu", name="wide")(code)
    model = keras.Model(inputs, {"code": code, "share": kl.Dense(1, activation="sigmoid", name="share")(wide) * 100.0})
    assert kinds_of(model) == {"code": "output", "wide": "hidden", "share": "output"}


@pytest.mark.parametrize("gate", ["sigmoid", "hard_sigmoid"])
def test_squeeze_and_excite_has_a_gate(gate: str) -> None:
    inputs = keras.Input((8, 8, 3))
    x = kl.Conv2D(4, 3, activation="sigmoid", name="conv")(inputs)
    squeezed = kl.Dense(2, activation="relu", name="squeeze")(kl.GlobalAveragePooling2D()(x))
    share = kl.Reshape((1, 1, 4))(kl.Dense(4, activation=gate, name="excite")(squeezed))
    x = kl.Multiply()([x, share])
    kinds = kinds_of(keras.Model(inputs, kl.Dense(1)(kl.Flatten()(x))))
    assert kinds == {"conv": "hidden", "squeeze": "hidden", "excite": "gate"}


def test_a_hard_sigmoid_written_out_is_a_gate() -> None:
    inputs = keras.Input((4,))
    x = kl.ReLU(6, name="hidden")(kl.Dense(4)(inputs))
    share = kl.ReLU(6, name="gate")(kl.Dense(4)(x) + 3.0) * (1 / 6)
    assert kinds_of(keras.Model(inputs, kl.Dense(1)(x * share))) == {"hidden": "hidden", "gate": "gate"}


def test_a_highway_has_a_gate() -> None:
    inputs = keras.Input((4,))
    carry = kl.Dense(4, activation="sigmoid", name="carry")(inputs)
    value = kl.Dense(4, activation="tanh", name="value")(inputs)
    outputs = kl.Dense(1)(carry * value + (1.0 - carry) * inputs)
    assert kinds_of(keras.Model(inputs, outputs)) == {"carry": "gate", "value": "hidden"}


def test_recurrent_layers_have_gates() -> None:
    model = keras.Sequential(
        [
            keras.Input((6, 4)),
            kl.Bidirectional(kl.GRU(3, return_sequences=True), name="both"),
            kl.RNN(kl.LSTMCell(3), return_sequences=True, name="cell"),
            kl.LSTM(3, return_sequences=True, name="lstm"),
            kl.SimpleRNN(3, name="simple"),
            kl.Dense(1),
        ]
    )
    gates = dict.fromkeys([f"{name}/recurrent_activation" for name in ("both", "cell", "lstm")], "gate")
    states = dict.fromkeys([f"{name}/activation" for name in ("both", "cell", "lstm")] + ["simple"], "recurrent")
    assert kinds_of(model) == gates | states
    assert {site.slot_kind for site in find_sites(model)} == {SlotKind.INNER_ARGUMENT}


def test_attention_has_gates() -> None:
    inputs = keras.Input((5, 4))
    x = kl.MultiHeadAttention(2, 2, name="heads")(inputs, inputs)
    x = kl.Attention(name="plain")([x, x])
    weights = kl.Softmax(axis=1, name="weights")(kl.Dense(1)(x))
    pooled = kl.Dot(axes=(1, 1))([weights, x])
    kinds = kinds_of(keras.Model(inputs, kl.Dense(1)(kl.Flatten()(pooled))))
    assert kinds == {"heads/softmax": "gate", "plain/softmax": "gate", "weights": "gate"}


class Block(kl.Layer):
    """A user's own layer: what it calls is in its code."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.first = kl.Dense(4, activation="relu", name="first")
        self.gate = kl.Dense(4, activation="sigmoid", name="gate")

    def call(self, x):
        return self.first(x) * self.gate(x)


def test_activations_inside_a_users_own_layer_are_reported() -> None:
    sites = sites_of(keras.Sequential([keras.Input((4,)), Block(name="mine"), kl.Dense(1)]))
    assert {name: (site.kind, site.slot_kind) for name, site in sites.items()} == {
        "mine/first": (SiteKind.HIDDEN, SlotKind.INNER),
        "mine/gate": (SiteKind.GATE, SlotKind.INNER),
    }


def test_blocks_end_where_resolution_or_width_changes() -> None:
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            kl.Conv2D(4, 3, padding="same", activation="relu"),
            kl.Conv2D(4, 3, padding="same", activation="relu"),
            kl.MaxPooling2D(),
            kl.Conv2D(4, 3, padding="same", activation="relu"),
            kl.Conv2D(6, 3, padding="same", activation="relu"),
            kl.GlobalAveragePooling2D(),
            kl.Dense(6, activation="relu"),
            kl.Dense(6, activation="relu"),
            kl.Dense(2, activation="softmax"),
        ]
    )
    assert [site.block for site in find_sites(model)] == [0, 0, 1, 2, 3, 3, None]


def test_a_sequential_that_is_not_built_has_sites_without_shapes() -> None:
    model = keras.Sequential([kl.Dense(4, activation="relu", name="a"), kl.Dense(1, activation="sigmoid", name="b")])
    assert kinds_of(model) == {"a": "hidden", "b": "output"}
    assert [site.shape for site in find_sites(model)] == [None, None]


def test_a_subclassed_model_that_is_not_built_is_refused_with_the_way_out() -> None:
    class Net(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(ModelError, match=r"Net is a subclassed model that is not built.*model\(x\[:1\]\)"):
        find_sites(Net())


def test_sites_are_a_line_each_in_print_and_one_line_in_repr():
    model = keras.Sequential([keras.Input((4,)), *(keras.layers.Dense(8, "relu", name=f"d{n}") for n in range(7))])
    sites = find_sites(model)
    assert isinstance(sites, tuple)
    assert repr(sites) == "<7 activation sites: d0: relu, d1: relu, d2: relu, d3: relu, d4: relu, …>"
    lines = str(sites).splitlines()
    assert lines[0].split() == ["site", "activation", "kind", "layer", "shape", "uses"]
    assert lines[1].split() == ["d0", "relu", "hidden", "Dense", "(None,", "8)", "1"]
    page = sites._repr_html_()
    assert page.count("<tr>") == 8
    assert page.count("<svg") == sum(site.in_catalogue for site in sites) > 0
    empty = find_sites(keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)]))
    assert (repr(empty), len(str(empty).splitlines())) == ("<0 activation sites: >", 1)


class LossOf(kl.Layer):
    """Adds a loss of two tensors, and returns one of them, as layers with a CTC loss do."""

    def __init__(self, returned, **kwargs):
        super().__init__(**kwargs)
        self.returned = returned

    def call(self, y_true, y_pred):
        self.add_loss(keras.ops.mean(keras.ops.square(y_true - y_pred)))
        return {"given": y_pred, "other": y_true, "both": y_true + y_pred, "pair": (y_true, y_pred)}[self.returned]


@pytest.mark.parametrize(
    ("returned", "kind"), [("given", "output"), ("other", "gate"), ("both", "gate"), ("pair", "gate")]
)
def test_a_layer_of_two_tensors_that_returns_one_of_them(returned: str, kind: str) -> None:
    inputs, targets = keras.Input((4,)), keras.Input((3,))
    layer = LossOf(returned)
    model = keras.Model([inputs, targets], layer(targets, kl.Dense(3, activation="softmax", name="share")(inputs)))
    assert kinds_of(model) == {"share": kind}
    assert not layer.losses
