"""What this process may use of its machine."""

import psutil
import pytest

from actsearch import environment
from actsearch.environment import free_memory

CONTAINERS = {
    "memory.max": ("memory.current", "inactive_file"),
    "memory.limit_in_bytes": ("memory.usage_in_bytes", "total_inactive_file"),
}


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """A folder for what a control group says, instead of the machine's own."""
    containers = [each._replace(folder=tmp_path) for each in environment._CONTAINERS]
    monkeypatch.setattr(environment, "_CONTAINERS", containers)
    return tmp_path


@pytest.mark.parametrize("limit", CONTAINERS)
def test_memory_is_free_within_the_limit_of_a_container(groups, limit):
    """Of 1,000 bytes 700 are used, 200 of them for files that were read."""
    used, files = CONTAINERS[limit]
    (groups / limit).write_text("1000\n")
    (groups / used).write_text("700\n")
    (groups / "memory.stat").write_text(f"anon 500\n{files} 200\n")
    assert free_memory() == 500


def test_a_container_without_a_limit_has_the_memory_of_its_machine(groups):
    (groups / "memory.max").write_text("max\n")
    (groups / "memory.current").write_text("700\n")
    (groups / "memory.stat").write_text("inactive_file 200\n")
    assert free_memory() == pytest.approx(psutil.virtual_memory().available, rel=0.1)


def test_a_machine_without_control_groups_has_what_is_free(groups):
    assert free_memory() == pytest.approx(psutil.virtual_memory().available, rel=0.1)
