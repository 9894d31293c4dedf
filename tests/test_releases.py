"""What an earlier release has written is read by this one: `tests/fixtures/README.md` says how each directory was made."""

import json
import shutil
from pathlib import Path

import pytest

import actsearch
from actsearch import environment
from actsearch.ledger import Ledger

FIXTURES = Path(__file__).parent / "fixtures"
RELEASES = sorted(path.name for path in FIXTURES.glob("release-*"))


@pytest.fixture(params=RELEASES)
def earlier(request, tmp_path):
    """The directory of a search by a release, and what is known of it."""
    shutil.copytree(FIXTURES / request.param, tmp_path / "found")
    return json.loads((tmp_path / "found" / "known.json").read_text("utf-8"))


def scores(folder):
    """The score of each execution: `scores(folder)["relu"]`."""
    trials = Ledger(folder / "found").read().trials
    return {trial.activation: [each.score for each in trial.executions] for trial in trials}


def test_the_oldest_release_is_there():
    assert "release-0.1.0" in RELEASES


def test_a_report_and_a_result(earlier, program, tmp_path):
    assert scores(tmp_path) == earlier["scores"]
    status, out, err = program("report", "found")
    assert (status, err) == (0, "")
    assert all(name in out for name in earlier["scores"])
    result = actsearch.load_result("found")
    assert result.best_model().count_params() == earlier["num_parameters"]


def test_a_resumed_search_keeps_what_was_trained(earlier, program, monkeypatch, tmp_path):
    """What trains the rest are other versions, which the search says."""
    now = environment.package_versions() | {"keras": "99.1"}
    monkeypatch.setattr(environment, "package_versions", lambda: now)
    status, _, err = program("resume", "found", "--executions", 3)
    assert status == 0, err
    assert "resuming after 4 executions" in err
    assert f"keras {earlier['keras']} then, 99.1 now" in err
    assert {name: each[:2] for name, each in scores(tmp_path).items()} == earlier["scores"]
    assert {len(each) for each in scores(tmp_path).values()} == {3}
