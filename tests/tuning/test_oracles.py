import keras_tuner
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actsearch.errors import UnknownNameError, UsageError
from actsearch.records import Direction, Objective
from actsearch.spaces import choose
from actsearch.tuning.oracles import GridOracle, grid, grid_size, make_oracle

GOAL = keras_tuner.Objective("val_accuracy", "max")
OBJECTIVE = Objective("val_accuracy", Direction.MAX)


def space_of(*activations, **hyperparameters) -> keras_tuner.HyperParameters:
    hp = keras_tuner.HyperParameters()
    choose(hp, {"activations": list(activations)})
    for name, values in hyperparameters.items():
        hp.Choice(name, values)
    return hp


def proposals(oracle, tmp_path, *, limit=1000) -> list[dict]:
    """All that an oracle proposes when every trial gets the same score."""
    oracle._set_project_dir(str(tmp_path), "oracle")
    oracle.verbose = 0
    found = []
    while len(found) < limit:
        trial = oracle.create_trial("tuner0")
        if trial.status != "RUNNING":
            break
        found.append(dict(trial.hyperparameters.values))
        oracle.update_trial(trial.trial_id, {"val_accuracy": 0.5})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
    return found


def test_the_grid_has_every_combination_once(tmp_path):
    space = space_of("relu", {"leaky_relu": {"slope": [0.01, 0.3]}}, "elu", units=[8, 16])
    found = proposals(GridOracle(GOAL, hyperparameters=space), tmp_path)
    assert len(found) == grid_size(space) == (1 + 2 + 1) * 2
    assert len({tuple(sorted(values.items())) for values in found}) == 8
    assert all(("leaky_relu.slope" in v) == (v["activation"] == "leaky_relu") for v in found)


def test_the_first_trial_is_the_baseline(tmp_path):
    hp = keras_tuner.HyperParameters()
    choose(hp, {"activations": ["elu", "selu", "relu"]})
    assert proposals(GridOracle(GOAL, hyperparameters=hp), tmp_path)[0] == {"activation": "relu"}


def test_part_of_a_grid_is_drawn_from_the_seed(tmp_path):
    def part(seed, name):
        oracle = GridOracle(
            GOAL, max_trials=5, seed=seed, hyperparameters=space_of("relu", "elu", "selu", units=[1, 2, 3, 4])
        )
        return proposals(oracle, tmp_path / name)

    one, same, other = part(0, "a"), part(0, "b"), part(1, "c")
    assert len(one) == 5
    assert one == same != other
    assert one[0] == {"activation": "relu", "units": 1}
    assert len({v["activation"] for v in one}) > 1


def test_hyperparameters_that_come_later_are_searched_too(tmp_path):
    oracle = GridOracle(GOAL, hyperparameters=space_of("relu", "elu"))
    oracle._set_project_dir(str(tmp_path), "oracle")
    oracle.verbose = 0
    trial = oracle.create_trial("tuner0")
    trial.hyperparameters.Choice("late", [1, 2])
    oracle.update_trial(trial.trial_id, {"val_accuracy": 0.5})
    trial.status = "COMPLETED"
    oracle.end_trial(trial)
    found = [dict(trial.hyperparameters.values), *proposals(oracle, tmp_path)]
    assert {(v["activation"], v["late"]) for v in found} == {("relu", 1), ("relu", 2), ("elu", 1), ("elu", 2)}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_the_size_of_a_grid_is_the_product(sizes):
    hp = keras_tuner.HyperParameters()
    expected = 1
    for number, size in enumerate(sizes):
        hp.Choice(f"p{number}", list(range(size)))
        expected *= size
    assert grid_size(hp) == expected == len(list(grid(hp)))


def test_a_range_without_steps_has_no_grid(tmp_path):
    hp = space_of("relu")
    hp.Float("learning_rate", 0.001, 0.1)
    assert grid_size(hp) is None
    with pytest.raises(UsageError, match="--oracle random"):
        proposals(GridOracle(GOAL, hyperparameters=hp), tmp_path)


def test_whole_numbers_are_finite():
    hp = keras_tuner.HyperParameters()
    hp.Int("layers", 1, 5)
    hp.Int("units", 8, 64, sampling="log")
    assert grid_size(hp) == 5 * 57


@pytest.mark.parametrize("name", ["grid", "random", "bayesian", "hyperband"])
def test_every_oracle_proposes_within_the_space(name, tmp_path):
    space = space_of("relu", "elu", "selu", units=[8, 16, 32])
    oracle = make_oracle(name, OBJECTIVE, space=space, max_trials=6, epochs=3, seed=0)
    found = proposals(oracle, tmp_path)
    assert found
    assert all(v["activation"] in ("relu", "elu", "selu") and v["units"] in (8, 16, 32) for v in found)


@pytest.mark.parametrize("name", ["random", "bayesian"])
def test_the_seed_reaches_the_oracle_even_when_it_is_zero(name, tmp_path):
    def draws(folder):
        oracle = make_oracle(
            name, OBJECTIVE, space=space_of("relu", "elu", "selu", units=[8, 16, 32]), max_trials=5, seed=0
        )
        return proposals(oracle, tmp_path / folder)

    assert draws("a") == draws("b")


def test_the_default_is_a_grid_where_there_is_one():
    space = space_of("relu", "elu")
    assert isinstance(make_oracle(None, OBJECTIVE, space=space), GridOracle)
    space.Float("learning_rate", 0.001, 0.1)
    assert isinstance(make_oracle(None, OBJECTIVE, space=space), keras_tuner.oracles.RandomSearchOracle)


def test_hyperband_is_refused_where_it_would_never_halve():
    with pytest.raises(UsageError, match=r"27 different candidates .* this space has 8.*--oracle grid"):
        make_oracle("hyperband", OBJECTIVE, space=space_of("relu", "elu", units=[1, 2, 3, 4]), epochs=27)


def test_an_unknown_oracle_offers_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'random'"):
        make_oracle("randm", OBJECTIVE, space=space_of("relu"))
