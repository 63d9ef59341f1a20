"""What holds trading data is its owner's alone, whatever the umask says."""

import os
from pathlib import Path

import pytest

from tercel.core.ports import Entry
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.store import SqlJournal
from tercel.desk.trading.risk.kill_switch import KillLatch
from tercel.fix import memory
from tercel.fix.memory import OrderMemory
from tercel.fix.profiles.model import NamesTable
from tercel.fix.store import ReceivedMark, SteadyStore

LOCKS = {"desk.lock", "kill.json.lock"}
"""They name a process and nothing else."""


@pytest.fixture(params=[0o022, 0o000])
def umask(request):
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_the_files_of_journal_latch_and_session_are_its_owners_alone(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(memory, "MOST_STORED", 1)
    desk = tmp_path / "desk"
    journal = SqlJournal(desk, "test")
    journal.append([Entry(kinds.ALERT, 1, body={"severity": "info", "code": "x", "text": "y"})])
    latch = KillLatch(desk / "kill.json")
    latch.kill("runaway", "ann", 1)
    latch.rearm("looked at it", "ann", 2)
    store = SteadyStore(desk / "fix" / "fix.db", "A")
    ReceivedMark(desk / "fix").write(3)
    (desk / "fix" / "orders.jsonl").write_text("{}\n" * 21)
    OrderMemory(NamesTable(), desk / "fix")  # writes its file anew
    files = {
        path.name: oct(path.stat().st_mode & 0o777) for path in desk.rglob("*") if path.is_file()
    }
    wanted = {"journal.db", "journal.db-wal", "journal.db-shm", "journal.head", "kill.json"}
    wanted |= {"fix.db", "fix.db-wal", "fix.db-shm", "numbers", "received", "orders.jsonl"}
    assert dict.fromkeys(wanted, "0o600") == {
        name: mode for name, mode in files.items() if name not in LOCKS
    }
    folders = {path.name: oct(path.stat().st_mode & 0o777) for path in (desk, desk / "fix")}
    assert folders == {"desk": "0o700", "fix": "0o700"}
    store.close()
    journal.close()


def test_rights_that_a_person_gave_stay(tmp_path: Path):
    desk = tmp_path / "desk"
    desk.mkdir(mode=0o755)
    SqlJournal(desk, "test").close()
    latch = KillLatch(desk / "kill.json")
    latch.kill("runaway", "ann", 1)
    for name in ("journal.db", "kill.json"):
        (desk / name).chmod(0o640)
    SqlJournal(desk, "test").close()
    latch.rearm("looked at it", "ann", 2)
    assert [oct((desk / name).stat().st_mode & 0o777) for name in ("journal.db", "kill.json")] == [
        "0o640"
    ] * 2
    assert oct(desk.stat().st_mode & 0o777) == "0o755"
