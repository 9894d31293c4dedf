"""The map of a search with an activation for each site."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from actsearch.analysis.verdict import verdict_of
from actsearch.visualization._style import NARROW, WIDE
from actsearch.visualization.figures import all_figures, captions_of
from actsearch.visualization.site_map import compare_sites
from tests.helpers.factories import search, trial
from tests.helpers.figures import cut_off, overlaps, words

VALUE = {"relu": 0.0, "selu": 0.01, "tanh": -0.02}


def per_layer(sites=("dense", "dense_1")):
    """A trial for each pair of activations; only the first site matters."""
    made = []
    for number, names in enumerate(product(VALUE, repeat=len(sites))):
        label = names[0] if len(set(names)) == 1 else "→".join(names)
        scores = [0.9 + VALUE[names[0]] + n / 1000 for n in range(3)]
        known = {site: {"name": name, "parameters": {}} for site, name in zip(sites, names, strict=True)}
        values = {f"activation.{site}": name for site, name in zip(sites, names, strict=True)}
        made.append(replace(trial(str(number), label, scores, hyperparameters=values), activations=known))
    return search(made)


def test_the_map_has_the_mean_gain_of_each_activation_at_each_site():
    record = per_layer()
    found = compare_sites(record, verdict_of(record))
    assert found.sites == ("dense", "dense_1")
    assert found.activations == ("selu", "relu", "tanh")
    mean = sum(VALUE.values()) / 3
    np.testing.assert_allclose(found.gains[:, 0], [0.01 - mean, -mean, -0.02 - mean], atol=1e-9)
    np.testing.assert_allclose(found.gains[:, 1], 0.0, atol=1e-9)
    assert (found.counts == 3).all()


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_the_picture_has_a_number_in_each_cell(width):
    record = per_layer()
    figure = all_figures(record, verdict_of(record), width=width)["sites"]
    assert {"+1.3", "+0.3", "-1.7"} <= set(words(figure))
    assert overlaps(figure) == []
    assert cut_off(figure) == []
    assert "selu at dense: +1.3 points (3 trials)" in captions_of(record, verdict_of(record))["sites"].content


def test_a_search_of_one_activation_for_all_sites_has_no_map():
    record = search({"relu": [0.9], "elu": [0.91]})
    assert compare_sites(record, verdict_of(record)) is None
    unknown = {"a": {"name": "gone", "parameters": {}}, "b": {"name": "relu", "parameters": {}}}
    lost = search([replace(trial("0", "gone→relu", [0.9]), activations=unknown)])
    assert compare_sites(lost, verdict_of(lost)) is None
