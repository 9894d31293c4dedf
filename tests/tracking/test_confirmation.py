"""A search that MLflow was found to have: nothing is looked up again, unless the store is another or has changed."""

import json
import shutil
from types import SimpleNamespace

import pytest

from actsearch.ledger import End, Ledger
from actsearch.tracking import runs
from actsearch.tracking._sync_main import LedgerSync
from actsearch.tracking.confirmation import confirmed
from actsearch.tracking.store import CONFIRMATION_NAME, StoreAddress
from tests.helpers import factories
from tests.helpers.tracking import contents, runs_of, search_record, trial


@pytest.fixture
def searched(store, tmp_path):
    """The ledger of a completed search, all of which is in the store, and the store's address."""
    ledger = Ledger("found", create=True)
    ledger.append_search(search_record())
    for number in (0, 1):
        ledger.append_trial(trial(number))
        ledger.append_execution(factories.execution(1, str(number)))
    ledger.append_end(End(1100.0, "completed"))
    address = StoreAddress(f"sqlite:///{tmp_path / 'mlflow.db'}", "mine")
    followed(ledger, address)
    return ledger, address


def followed(ledger, address, *, is_thorough=False):
    """Writes what the store lacks; returns the events, with `lookups` for the times that all runs were looked up."""
    search = SimpleNamespace(
        directory=ledger.directory, address=address, is_over=True, is_running_elsewhere=False,
        is_thorough=is_thorough, wait=lambda seconds: None,
    )  # fmt: skip
    events, lookups = {}, []
    original = runs.Runs.find
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(runs.Runs, "find", lambda self: (lookups.append(1), original(self)))
        whole = LedgerSync(search, lambda event, **values: events.update({event: values})).run()
    return events | {"whole": whole, "lookups": len(lookups)}


def test_a_store_that_has_everything_is_asked_for_two_runs(searched, store):
    before = contents(store, "mine")
    thorough = followed(*searched, is_thorough=True)
    quick = followed(*searched)
    assert (thorough["lookups"], quick["lookups"]) == (1, 0)
    assert quick["whole"] == thorough["whole"]
    assert contents(store, "mine") == before


def test_a_run_that_was_deleted_is_written_again_and_one_that_was_reopened_is_ended(searched, store):
    before = contents(store, "mine")
    store.delete_run(runs_of(store, "execution")[0].info.run_id)
    assert followed(*searched)["lookups"] == 1
    assert contents(store, "mine").keys() == before.keys()
    store.update_run(runs_of(store, "search")[0].info.run_id, "RUNNING")
    assert followed(*searched)["lookups"] == 1
    assert {run.info.status for run in runs_of(store)} == {"FINISHED"}


def test_a_store_that_was_deleted_is_filled_again(searched, store, tmp_path, empty_store):
    before = contents(store, "mine")
    (tmp_path / "mlflow.db").write_bytes(empty_store)
    shutil.rmtree(tmp_path / "mlruns")
    assert followed(*searched)["lookups"] == 1
    assert contents(store, "mine").keys() == before.keys()


def test_another_store_is_filled_and_then_both_are_known(searched, store):
    ledger, address = searched
    other = StoreAddress(address.tracking_uri, "another")
    assert followed(ledger, other)["lookups"] == 1
    assert [followed(ledger, each)["lookups"] for each in (address, other)] == [0, 0]
    assert contents(store, "another").keys() == contents(store, "mine").keys()


def test_what_is_new_is_written(searched, store):
    ledger, address = searched
    ledger.append_execution(factories.execution(2, "0"))
    assert followed(ledger, address)["lookups"] == 1
    assert len(runs_of(store, "execution")) == 3
    assert followed(ledger, address)["lookups"] == 0


def test_a_note_of_another_ledger_or_one_that_is_damaged_is_no_note(searched):
    ledger, address = searched
    file = ledger.directory / CONFIRMATION_NAME
    noted = file.read_text()
    assert confirmed(ledger, address).num_facts == 6
    for text in (
        noted.replace(ledger.chain_at(6), "0" * 64),
        noted[:-9],
        json.dumps([]),
        noted.replace("num_runs", "n"),
    ):
        file.write_text(text)
        assert confirmed(ledger, address) is None
