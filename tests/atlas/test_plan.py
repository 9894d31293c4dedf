"""The plan of the atlas is what issue and README say of it."""

import itertools

import pytest
import yaml

from actsearch.errors import UnknownNameError, UsageError
from atlas.data_sets import ALL
from atlas.networks import FITS, NETWORKS, OPTIMIZERS
from atlas.plan import CENTRE, PLAN, Plan, load_plan, named, seed_of

plan = load_plan()


def test_it_has_what_was_promised():
    executions = sum(map(plan.num_executions, plan.situations.values()))
    assert 15_000 <= executions <= 25_000
    assert len(plan.content["activations"]) >= 25
    assert len({each.data for each in plan.situations.values()}) >= 15
    assert plan.content["activations"][0] == "relu"


@pytest.mark.parametrize("axis", plan.content["axes"])
def test_a_situation_differs_from_the_centre_in_the_factors_of_one_grid_of_its_axis(axis):
    grids = [set(grid) for grid in plan.content["axes"][axis]]
    situations = [each for each in plan.situations.values() if each.axis == axis]
    assert situations
    for situation in situations:
        differing = set(situation.differing(plan.centre))
        assert differing and any(differing <= grid for grid in grids)


def test_an_axis_has_all_combinations_of_a_grid():
    grid = plan.content["axes"]["depth"][0]
    crossed = {(each.depth, each.normalisation, each.initializer) for each in plan.situations.values()}
    assert set(itertools.product(*grid.values())) <= crossed


def test_situations_are_unique_and_can_be_searched():
    assert len(set(plan.situations.values())) == len(plan.situations)
    for name, situation in plan.situations.items():
        assert named(situation.differing(plan.centre)) == name
        assert ALL[situation.data].kind in FITS[situation.network]
        assert situation.network in NETWORKS
        assert situation.optimizer in OPTIMIZERS
        assert all(0 < rate < 1 for rate in plan.rates(situation))


def test_all_activations_are_tuned_over_the_same_rates():
    space = plan.space(plan.centre, tuning=True)
    assert list(space.hyperparameters) == ["learning_rate"]
    assert plan.space(plan.centre, tuning=False).hyperparameters == {}
    assert space.baseline == "relu"


def test_initializers_are_matched_where_the_situation_says_so():
    assert plan.space(plan.situations["depth=20"], tuning=False).matching
    assert not plan.space(plan.situations["depth=20,initializer=default"], tuning=False).matching


def test_epochs_follow_from_the_number_of_samples():
    assert plan.epochs(1797) == 15
    assert plan.epochs(100) == 200
    assert plan.epochs(100_000) == 5


def test_seeds_differ_between_situations_and_runs():
    seeds = {seed_of(name, run) for name in plan.situations for run in (1, 2)}
    assert len(seeds) == 2 * len(plan.situations)
    assert seed_of(CENTRE, 1) == seed_of(CENTRE, 1)


def test_the_hash_changes_with_the_plan():
    assert Plan({**plan.content, "executions": 7}).hash != plan.hash == load_plan().hash


@pytest.mark.parametrize(
    ("axes", "error"),
    [
        ({"size": [{"depht": [1, 2]}]}, UnknownNameError),
        ({"data": [{"data": ["digit"]}]}, UnknownNameError),
        ({"samples": [{"samples": [1_000_000]}]}, UsageError),
        ({"one": [{"depth": [2]}], "two": [{"depth": [2]}]}, UsageError),
    ],
)
def test_a_plan_that_cannot_be_run_is_refused(tmp_path, axes, error):
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(PLAN.read_text("utf-8")), "axes": axes}), "utf-8")
    with pytest.raises(error):
        load_plan(path)
