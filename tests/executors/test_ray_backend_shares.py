import pytest

from actsearch.errors import UsageError
from actsearch.executors.ray_backend import Machine, Share, equal_share


@pytest.mark.parametrize(
    ("num", "machines", "gpus_each", "share"),
    [
        (2, [Machine(2)], None, Share(1, 0.0)),
        (1, [Machine(8)], None, Share(8, 0.0)),
        (5, [Machine(4), Machine(4)], None, Share(1, 0.0)),
        (3, [Machine(8, 2)], None, Share(2, 0.5)),  # two thirds of a GPU: one would fit on each
        (2, [Machine(4, 1)] * 5, None, Share(4, 1.0)),  # two GPUs each: nobody would fit
        (4, [Machine(16), Machine(8, 4)], None, Share(2, 1.0)),  # the large machine has no GPU
        (4, [Machine(16), Machine(8, 4)], 0.0, Share(5, 0.0)),
        (2, [Machine(4, 4)], 2.0, Share(2, 2.0)),
    ],
)
def test_as_many_cores_as_fit_with_the_gpus(num, machines, gpus_each, share):
    found = equal_share(num, machines, gpus_each)
    assert (found.cores, found.gpus) == (share.cores, pytest.approx(share.gpus))
    assert found.num_fitting(machines) >= num


@pytest.mark.parametrize(
    ("num", "machines", "gpus_each", "most"),
    [(16, [Machine(8)], None, 8), (8, [Machine(64, 2)], 1.0, 2), (1, [Machine(4)], 1.0, 0), (1, [], None, 0)],
)
def test_more_than_fit_are_refused(num, machines, gpus_each, most):
    with pytest.raises(UsageError, match=f"do not fit: {most} do"):
        equal_share(num, machines, gpus_each)
