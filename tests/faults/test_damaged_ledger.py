"""A ledger that is damaged in any way is found to be so, and what can be read of it is kept."""

import random
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from actsearch.errors import LedgerError, UsageError
from actsearch.ledger import FILE_NAME, Kind, Ledger, assemble, salvage
from actsearch.tuning.storage import prepare_directory
from tests.helpers.ledgers import change, execution, whole_search

FACTS = 27


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """The bytes of a ledger with free pages, and the search that it tells of."""
    folder = tmp_path_factory.mktemp("original")
    search = whole_search(folder).read()
    filler = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40) INSERT INTO junk SELECT hex(randomblob(1000)) FROM n"
    change(folder, "CREATE TABLE junk (x)", filler, "DROP TABLE junk")
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        assert connection.execute("PRAGMA freelist_count").fetchone()[0] > 10
    return (folder / FILE_NAME).read_bytes(), search


def read_or_refused(folder, content: bytes):
    """The search, or None where the ledger is refused; any other error fails the test."""
    for left in folder.iterdir():
        left.unlink()
    (folder / FILE_NAME).write_bytes(content)
    try:
        return Ledger(folder).read()
    except LedgerError as error:
        assert "actsearch report" in str(error)
        return None


def wrong_bit(content: bytes, place: int) -> bytes:
    changed = bytearray(content)
    changed[place // 8] ^= 1 << place % 8
    return bytes(changed)


def places(seed: int, content: bytes, number: int) -> list[int]:
    """Bits all over the file; a quarter of them in the header and the pages that hold its structure."""
    rng = random.Random(seed)
    return [rng.randrange((2 * 4096 if i % 4 == 0 else len(content)) * 8) for i in range(number)]


def check_bits(folder, original, bits) -> int:
    content, search = original
    refused = 0
    for bit in bits:
        found = read_or_refused(folder, wrong_bit(content, bit))
        assert found in (search, None), f"bit {bit}"
        if found is None:
            refused += 1
            check_salvaged(folder, search)
    return refused


def check_salvaged(folder, search) -> None:
    """What is salvaged is a part of what was written, and the file is left as it is."""
    content = (folder / FILE_NAME).read_bytes()
    found = salvage(folder)
    assert found.problem
    known = {e for trial in search.trials for e in map(repr, trial.executions)}
    if any(fact.kind is Kind.SEARCH for fact in found.facts):
        kept = assemble(found.facts)
        assert {e for trial in kept.trials for e in map(repr, trial.executions)} <= known
    assert (folder / FILE_NAME).read_bytes() == content


def test_a_wrong_bit_at_200_places_is_found_or_harmless(tmp_path, original):
    assert 20 < check_bits(tmp_path, original, places(0, original[0], 200)) < 200


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 11))
def test_a_wrong_bit_anywhere_is_found_or_harmless(tmp_path, original, seed):
    assert check_bits(tmp_path, original, places(seed, original[0], 1000))


@pytest.mark.slow
def test_a_wrong_bit_in_the_header_is_found_or_harmless(tmp_path, original):
    assert check_bits(tmp_path, original, range(100 * 8))


def test_a_ledger_cut_anywhere_is_found_and_its_beginning_kept(tmp_path, original):
    content, search = original
    kept = []
    for size in range(1, len(content) + 1, 1999):
        if read_or_refused(tmp_path, content[:size]) == search:
            assert size > len(content) - 4096  # a free page that is not whole is still one
            continue
        check_salvaged(tmp_path, search)
        kept.append(len(salvage(tmp_path).facts))
    assert kept == sorted(kept)
    assert kept[len(kept) // 2] >= FACTS // 3
    assert kept[-1] == FACTS


def test_pages_that_were_lost_are_found(tmp_path, original):
    content, search = original
    refused = 0
    for page in range(len(content) // 4096):
        start = page * 4096
        for filler in (bytes(4096), random.Random(page).randbytes(4096), content[4096:8192]):
            found = read_or_refused(tmp_path, content[:start] + filler + content[start + 4096 :])
            assert found in (search, None)
            if found is None:
                refused += 1
                check_salvaged(tmp_path, search)
    assert refused > 40


def test_a_lost_header_costs_no_fact(tmp_path, original):
    content, search = original
    for first in (bytes(100), bytes(4096), b"x" * 4096):
        assert read_or_refused(tmp_path, first + content[len(first) :]) is None
        assert assemble(salvage(tmp_path).facts) == search


def test_a_damaged_fact_costs_no_other(tmp_path):
    search = whole_search(tmp_path).read()
    change(tmp_path, "UPDATE fact SET body = replace(body, '0.', '1.') WHERE kind = 'execution' AND key = '3/2'")
    found = salvage(tmp_path)
    assert "(execution 3/2) is damaged" in found.problem
    kept = assemble(found.facts)
    assert [len(trial.executions) for trial in kept.trials] == [4, 4, 4, 3, 4]
    assert kept.trials[0] == search.trials[0]


def test_a_ledger_without_its_first_fact_cannot_be_assembled_and_says_so(tmp_path):
    whole_search(tmp_path)
    change(tmp_path, "DELETE FROM fact WHERE number = 1")
    found = salvage(tmp_path)
    assert len(found.facts) == FACTS - 1
    with pytest.raises(LedgerError, match="does not say what was searched"):
        assemble(found.facts)
    assert len(found.lines) == FACTS - 2
    assert found.lines[0] == "trial 0: relu"
    assert re.fullmatch(r"execution 1 of trial 0: COMPLETED, score 0\.\d+", found.lines[1])


def empty(path):
    path.write_bytes(b"")


def text(path):
    path.write_bytes(b"nothing of the kind" * 1000)


def of_another_program(path):
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE fact (number INTEGER PRIMARY KEY, kind, key, body, digest)")
        connection.execute("INSERT INTO fact VALUES (1, 'search', 's1', '{}', 'x')")


def newer(path):
    whole_search(path.parent)
    change(path.parent, "PRAGMA user_version = 99")


@pytest.mark.parametrize(
    ("make", "says", "kept"),
    [
        (empty, "the file is empty; a ledger is never empty", 0),
        (text, "file is not a database", 0),
        (of_another_program, "not an actsearch ledger, but a database of another program", 0),
        (newer, "written in version 99 of the ledger's schema; this actsearch reads version 2", FACTS),
    ],
)
def test_a_file_that_is_no_ledger_is_refused_and_never_begun_anew(tmp_path, make, says, kept):
    make(tmp_path / FILE_NAME)
    content = (tmp_path / FILE_NAME).read_bytes()
    with pytest.raises(LedgerError, match=says):
        Ledger(tmp_path)
    with pytest.raises(LedgerError, match="there is already a search here"):
        Ledger(tmp_path, create=True)
    assert prepare_directory(tmp_path, "mine") == tmp_path
    assert says.split(";")[0] in salvage(tmp_path).problem
    assert len(salvage(tmp_path).facts) == kept
    assert (tmp_path / FILE_NAME).read_bytes() == content


def test_a_folder_in_its_place_is_refused(tmp_path):
    (tmp_path / FILE_NAME).mkdir()
    for open_it in (Ledger, salvage):
        with pytest.raises(LedgerError, match="expected the file of a ledger, but it is a folder"):
            open_it(tmp_path)
    with pytest.raises(LedgerError, match="already"):
        Ledger(tmp_path, create=True)
    with pytest.raises(UsageError, match="cannot be used: Is a directory"):
        prepare_directory(tmp_path, "mine", overwrite=True)


WRITER = """
import sys
sys.path.insert(0, sys.argv[2])
from tests.helpers.ledgers import ledger_with, execution
ledger = ledger_with(sys.argv[1])
for number in range(1, 100000):
    ledger.append_execution(execution(number, history={"loss": (0.5,) * 300}))
    print(number, flush=True)
"""


@pytest.mark.parametrize("killed_after", [1, 7, 40, 41, 42, 80])
def test_what_was_appended_outlives_a_kill(tmp_path, killed_after):
    """SIGKILL at once after a number was printed: that fact and all before it are there, and the next one fits."""
    command = [sys.executable, "-c", WRITER, str(tmp_path), str(Path(__file__).parents[2])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        for line in writer.stdout:
            if int(line) == killed_after:
                writer.kill()
                break
    ledger = Ledger(tmp_path)
    done = len(ledger.read().trials[0].executions)
    assert done >= killed_after
    ledger.append_execution(execution(done + 1))
    assert len(ledger.read().trials[0].executions) == done + 1
