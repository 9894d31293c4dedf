"""Searching an existing model without changing it."""

import keras
import keras_tuner
import numpy as np
import pytest

import actsearch
from actsearch.errors import ModelError, UnknownNameError, UsageError
from actsearch.executors.payload import Payload
from actsearch.spaces import load_space
from actsearch.swap.searched_model import SearchedModel
from actsearch.training.objectives import default_objective
from tests.helpers.tracking import runs_of


def network(compiled=True):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(4, 3, activation="relu", name="conv1")(inputs)
    x = keras.layers.Conv2D(4, 3, padding="same", name="conv2")(x)
    x = keras.layers.ReLU(name="relu2")(x)
    x = keras.layers.MaxPooling2D()(x)
    x = keras.layers.Conv2D(8, 3, name="conv3")(x)
    x = keras.layers.Activation("relu", name="relu3")(x)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dropout(0.1, name="drop")(x)
    model = keras.Model(inputs, keras.layers.Dense(10, activation="softmax", name="out")(x))
    if compiled:
        model.compile(keras.optimizers.Adam(0.002), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def hyperparameters(**values):
    hp = keras_tuner.HyperParameters()
    hp.values = values
    return hp


def sites_of(model):
    return {
        site.name.removesuffix("_activation"): site.activation
        for site in actsearch.find_sites(model)
        if site.kind == "hidden"
    }


def test_shared_replaces_every_hidden_site():
    model = network()
    build = SearchedModel(model, load_space("relu_variants"))
    built = build(hyperparameters(activation="selu"))
    assert set(sites_of(built).values()) == {"selu"}
    assert set(sites_of(model).values()) == {"relu"}
    assert float(built.optimizer.learning_rate.numpy()) == pytest.approx(0.002)
    assert build.matching({"activation": "selu"})["drop.dropout"] == "AlphaDropout"
    assert "variance_scaling(1, " in build.matching({"activation": "selu"})["conv1.initializer"]


def test_each_layer_may_have_its_own():
    build = SearchedModel(network(), load_space({"activations": ["relu", "prelu"], "sites": "per_layer"}))
    hp = keras_tuner.HyperParameters()
    build(hp)
    assert [p.name for p in hp.space] == ["activation.conv1", "activation.relu2", "activation.relu3"]
    values = {"activation.conv1": "relu", "activation.relu2": "prelu", "activation.relu3": "relu"}
    assert sorted(sites_of(build(hyperparameters(**values))).values()) == ["prelu", "relu", "relu"]
    assert build.label(values) == "relu→prelu→relu"


def test_a_block_shares_one():
    build = SearchedModel(network(), load_space({"activations": ["relu", "elu"], "sites": "per_block"}))
    hp = keras_tuner.HyperParameters()
    build(hp)
    assert len(hp.space) == 2
    first = next(iter(hp.values))
    built = build(hyperparameters(**{**hp.values, first: "elu"}))
    assert list(sites_of(built).values()).count("elu") == 2


def test_without_matching_initializers_stay():
    space = load_space({"activations": ["relu", "selu"], "matching": False})
    build = SearchedModel(network(), space)
    built = build(hyperparameters(activation="selu"))
    assert isinstance(built.get_layer("conv1").kernel_initializer, keras.initializers.GlorotUniform)
    assert isinstance(built.get_layer("drop"), keras.layers.Dropout)
    assert build.matching({"activation": "selu"}) == {}


def test_the_learning_rate_may_vary():
    space = load_space({"activations": ["relu"], "hyperparameters": {"learning_rate": [0.1, 0.2]}})
    built = SearchedModel(network(), space)(hyperparameters(activation="relu", learning_rate=0.2))
    assert float(built.optimizer.learning_rate.numpy()) == pytest.approx(0.2)


def test_a_hyperparameter_that_a_model_does_not_have():
    space = load_space({"activations": ["relu"], "hyperparameters": {"learning_rte": [0.1, 0.2]}})
    with pytest.raises(UnknownNameError, match="Did you mean 'learning_rate'"):
        SearchedModel(network(), space)


def test_a_model_that_is_not_compiled():
    with pytest.raises(ModelError, match="model.compile"):
        SearchedModel(network(compiled=False), load_space("classic"))


def test_the_objective_follows_from_the_metrics():
    model = network()
    assert default_objective(model).name == "val_accuracy"
    model.compile("adam", "mse", metrics=[keras.metrics.MeanAbsoluteError()])
    assert default_objective(model).name == "val_loss"


def test_the_whole_search(store, digits):
    x, y = digits
    model = network()
    before = [np.array(w) for w in model.get_weights()]
    result = actsearch.search(
        model, x.reshape(-1, 8, 8, 1), y, space="classic", epochs=1, executions=1, directory="found", verbose=0
    )
    assert [t.activation for t in result.trials] == ["relu", "sigmoid", "tanh"]
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    tanh = next(r for r in runs_of(store, "trial") if r.data.params["activation"] == "tanh")
    assert "variance_scaling" in tanh.data.params["matched_conv1.initializer"]
    assert isinstance(result.best_model(), keras.Model)


def test_what_becomes_of_weights_that_are_not_new_is_said():
    model, space = network(), load_space("relu_variants")
    model.get_layer("out").bias.assign(np.ones(10))
    redrawn = SearchedModel(model, space)
    assert redrawn.weights == "redraw"
    assert "the model has others (the bias of out is not what Zeros gives)" in redrawn.remarks[0]
    pretrained = network()
    pretrained.get_layer("conv1").kernel.assign(np.full((3, 3, 1, 4), 0.5))
    kept = SearchedModel(pretrained, space)
    assert kept.weights == "keep"
    assert "which are not new (the kernel of conv1 is not what GlorotUniform gives). To draw" in kept.remarks[0]
    pretrained.optimizer.iterations.assign(3)
    trained = SearchedModel(pretrained, space)
    assert (trained.weights, "its optimizer has made 3 steps" in trained.remarks[0]) == ("redraw", True)
    assert SearchedModel(network(), space).remarks == ()
    with pytest.raises(UnknownNameError, match="Unknown value of weights 'kept'. Did you mean 'keep'"):
        SearchedModel(model, space, weights="kept")
    assert SearchedModel(network(), space).weights == "redraw"
    for choice, kept in (("keep", True), ("redraw", False)):
        build = SearchedModel(model, space, weights=choice)
        built = build(hyperparameters(activation="prelu"))
        same = [np.array_equal(built.get_layer(n).kernel, model.get_layer(n).kernel) for n in ("conv1", "conv3", "out")]
        assert same == [kept] * 3
        assert any("initializer" in name for name in build.matching({"activation": "elu"})) is not kept
        assert {v.numpy().mean() for v in built.trainable_variables if v.name == "slope"} == {0.25}


def test_the_weights_of_a_model_that_was_sent_to_another_process():
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(8, "relu", name="hidden")
    model = keras.Model(inputs, keras.layers.Dense(1, name="out")(hidden(inputs)))
    hidden.enable_lora(2)
    hidden.lora_kernel_b.assign(np.ones((2, 8)))
    model.get_layer("out").kernel.trainable = False
    model.compile("adam", "mse")
    build = SearchedModel(model, load_space("relu_variants"), weights="keep")
    sent = Payload.pack(build).unpack()
    for old, new in zip(model.weights, sent.model.weights, strict=True):
        np.testing.assert_array_equal(old, new)
        assert old.trainable == new.trainable


def test_a_frozen_base_is_searched_only_when_asked():
    model = network()
    for name in ("conv1", "conv2", "relu2"):
        model.get_layer(name).trainable = False
    space = load_space({"activations": ["relu", "elu"], "sites": "per_layer"})
    for asked, sites in ((False, ["relu3"]), (True, ["conv1", "relu2", "relu3"])):
        hp = keras_tuner.HyperParameters()
        SearchedModel(model, space, include_frozen=asked)(hp)
        assert [p.name for p in hp.space] == [f"activation.{site}" for site in sites]


def test_fine_tuning_starts_from_the_weights_of_the_model(store, digits):
    x, y = digits
    model = network()
    model.fit(x.reshape(-1, 8, 8, 1), y, epochs=1, verbose=0)
    model.compile(keras.optimizers.Adam(1e-7), "sparse_categorical_crossentropy", metrics=["accuracy"])
    options = {"space": ["relu", "prelu"], "epochs": 1, "executions": 2, "directory": "tuned", "verbose": 0}
    result = actsearch.search(model, x.reshape(-1, 8, 8, 1), y, **options)
    assert "Each execution starts from the weights of the model" in result.report()
    np.testing.assert_allclose(
        result.best_model().get_layer("conv3").kernel, model.get_layer("conv3").kernel, atol=1e-4
    )
    relu, _ = result.trials
    losses = [execution.history["loss"][0] for execution in relu.executions]
    assert losses[0] != losses[1], "the seed still determines dropout and the order of the data"
    assert losses[0] == pytest.approx(losses[1], rel=0.1)
    assert runs_of(store, "search")[0].data.params["weights"] == "keep"
    assert actsearch.load_result("tuned").record.weights == "keep"
    for change in ({"weights": "redraw"}, {"weights": "keep"}):
        model.get_layer("out").bias.assign(np.ones(10))
        with pytest.raises(UsageError, match="differs from this one"):
            actsearch.search(model, x.reshape(-1, 8, 8, 1), y, **options, **change)


def test_a_build_function_names_its_own_space(digits):
    x, y = digits
    with pytest.raises(UsageError, match="Omit space"):
        actsearch.search(lambda hp: None, x, y, space="classic")
    with pytest.raises(UsageError, match="weights would be ignored"):
        actsearch.search(lambda hp: None, x, y, weights="keep")


class Hidden(keras.layers.Layer):
    """A layer that cannot be copied: what it was made with is gone."""

    def __init__(self, table):
        super().__init__()
        self.inner = keras.layers.Dense(len(table), "relu", name="inner")
        self.factor = 2 * sum(table)

    def call(self, x):
        return self.inner(x) * self.factor


def test_a_function_that_makes_the_model_serves_where_a_layer_cannot_be_copied():
    def make_model():
        layers = [keras.layers.Dense(5, "relu", name="first"), Hidden(np.array([1.0, 2.0])), keras.layers.Dense(1)]
        model = keras.Sequential([keras.Input((4,)), *layers])
        model.compile("sgd", "mse")
        return model

    with pytest.raises(ModelError, match=r"'hidden' \(Hidden\) cannot be copied.*actsearch.search\(make_model, x, y\)"):
        SearchedModel(make_model(), load_space("relu_variants"))(hyperparameters(activation="elu"))
    searched = SearchedModel(make_model, load_space("relu_variants"))
    first, second = (searched(hyperparameters(activation="prelu")) for _ in range(2))
    assert len([weight for weight in first.trainable_weights if "slope" in weight.path]) == 2
    assert not {id(weight) for weight in first.weights} & {id(weight) for weight in second.weights}
    first.fit(np.ones((8, 4)), np.ones((8, 1)), verbose=0)


class Subclassed(keras.Model):
    def __init__(self, hidden=None):
        super().__init__()
        self.hidden, self.out = hidden or keras.layers.Dense(5), keras.layers.Dense(1)

    def call(self, x):
        return self.out(keras.ops.relu(self.hidden(x)))


def test_a_function_has_to_make_a_new_model_at_each_call(tmp_path):
    x = np.random.default_rng(0).normal(size=(40, 4))
    space, options = load_space("relu_variants"), {"sample": x[:2]}

    def subclassed(hidden=None, optimizer="sgd"):
        model = Subclassed(hidden)
        model.compile(optimizer, "mse")
        return model

    same, graph, shared, optimizer = subclassed(), network(), keras.layers.Dense(5), keras.optimizers.SGD()
    with pytest.raises(UsageError, match=r"returned the same model 'subclassed.*Make a new model in the function"):
        actsearch.search(lambda: same, x, x[:, :1], directory=tmp_path, tracking=False, verbose=0)
    assert int(same.optimizer.iterations) == 0
    with pytest.raises(UsageError, match="returned the same model 'functional"):
        SearchedModel(lambda: graph, space)
    with pytest.raises(UsageError, match=r"Subclassed twice with the same object 'dense\w*' \(Dense\) inside"):
        SearchedModel(lambda: subclassed(shared), space, **options)
    with pytest.raises(UsageError, match=r"with the same object '(?i:sgd)\w*' \(SGD\) inside"):
        SearchedModel(lambda: subclassed(optimizer=optimizer), space, **options)
    frozen = keras.layers.Dense(5, trainable=False)
    SearchedModel(lambda: subclassed(frozen), space, **options)
    with pytest.raises(UsageError, match=r"\(Dense\) inside"):
        SearchedModel(lambda: subclassed(frozen), space, include_frozen=True, **options)


def test_an_activation_without_finite_moments_fails_alone(tmp_path, own_register):
    @actsearch.register_activation
    def explosion(x):
        return keras.ops.exp(50 * x)

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5, "relu"), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(size=(40, 4))
    for sites in ("shared", "per_layer"):
        options = {"epochs": 1, "executions": 1, "tracking": False, "verbose": 0, "directory": tmp_path / sites}
        space = {"activations": ["relu", "explosion"], "sites": sites}
        result = actsearch.search(model, x, x[:, :1], space=space, **options)
        assert [trial.mean_score is not None for trial in result.trials] == [True, False]
        assert "failed: " in result.verdict.recommendation
