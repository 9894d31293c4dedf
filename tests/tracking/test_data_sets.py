"""What MLflow knows of the data of a search."""

import json
from dataclasses import replace

from actsearch.config import SearchConfig
from actsearch.tracking.data_sets import data_sets
from tests.helpers.factories import search

DATA = {
    "name": "digits",
    "fingerprint": "f1",
    "sizes": {"train": 6, "validation": 2, "test": 2},
    "input_shape": [64],
    "class_names": ["0", "1"],
}


def test_each_part_has_name_digest_shape_and_context():
    found = data_sets(search({}, data=DATA))
    assert [each.dataset.name for each in found] == ["digits"] * 3
    assert [each.tags[0].value for each in found] == ["training", "validation", "test"]
    assert len({each.dataset.digest for each in found}) == 3
    assert [json.loads(each.dataset.profile)["num_samples"] for each in found] == [6, 2, 2]
    features = json.loads(json.loads(found[0].dataset.schema)["mlflow_tensorspec"]["features"])
    assert features[0]["tensor-spec"]["shape"] == [-1, 64]


def test_a_digest_stands_for_the_data_and_how_they_are_divided():
    same, other = search({}, data=DATA, search_id="other"), search({}, data=DATA | {"fingerprint": "f2"})
    divided = replace(same, config=SearchConfig(seed=8))
    digests = [data_sets(each)[0].dataset.digest for each in (search({}, data=DATA), same, other, divided)]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_data_that_nothing_identifies_are_not_named():
    assert data_sets(search({}, data={"name": "generator"})) == []
    [arrays] = data_sets(search({}, data={"name": "arrays", "fingerprint": "f", "num_training": 5}))
    assert (arrays.dataset.name, arrays.dataset.schema) == ("arrays", None)
