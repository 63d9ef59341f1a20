"""A journal whose file is damaged: every command that opens it says so in three parts, and none shows a traceback."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.command import tercel
from tests.cli.test_settle_order import journal_of

from tercel.core.errors import JournalError
from tercel.core.ports import Entry
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.store import SqlJournal
from tercel.desk.trading.journal.verification import verify

COMMANDS = (
    "trade run --demo --desk {desk}",
    "trade verify --desk {desk}",
    "trade orders --desk {desk}",
    "trade orders --desk {desk} --all",
    "trade reconcile --desk {desk}",
    "trade tca --desk {desk}",
    "trade positions --desk {desk}",
    "trade replay --parent p --desk {desk}",
    "trade limits show --desk {desk}",
    "trade pause p --desk {desk} --reason test",
    "trade amend p --lots 5 --desk {desk} --reason test",
    "kill --desk {desk} --reason test",
    "trade settle --desk {desk} --order p.1 --reason test",
    "trade settle --desk {desk} --reason test",
    "gate {desk}/gate.toml",
)
GATE = '[gate]\nvenue = "fix://127.0.0.1:1"\naccounts = ["ann"]\n'


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A desk's folder whose journal is 300 entries long, as a copy of a running one has it: its log beside it."""
    folder = journal_of(tmp_path_factory.mktemp("whole") / "desk")
    (folder / "gate.toml").write_text(GATE)
    journal = SqlJournal(folder, "test")
    for n in range(300):
        journal.append(
            [Entry(kinds.ALERT, n, body={"severity": "info", "code": "x", "text": "y" * 200})]
        )
        if n in (100, 200):
            journal.keep_snapshot(journal.last, "test", b"what follows" * 100)
    copy = folder.parent / "copy"
    shutil.copytree(folder, copy)
    journal.close()
    return copy


def cut(name: str, share: float) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        os.truncate(folder / name, int((folder / name).stat().st_size * share))

    return damage


def garbage(name: str, at: int, size: int) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        with (folder / name).open("r+b") as file:
            file.seek(at)
            file.write(b"\xa5" * size)

    return damage


def folded_in(then: Callable[[Path], None]) -> Callable[[Path], None]:
    """The log's pages are in the file first, as an orderly end leaves it."""

    def damage(folder: Path) -> None:
        SqlJournal(folder, "test").close()
        then(folder)

    return damage


DAMAGES = {
    "half a file": folded_in(cut("journal.db", 0.5)),
    "a page and a half": folded_in(cut("journal.db", 0.03)),
    "a few bytes": folded_in(cut("journal.db", 0.0005)),
    "an empty file": folded_in(cut("journal.db", 0.0)),
    "garbage in the header": folded_in(garbage("journal.db", 0, 100)),
    "garbage in the first page": folded_in(garbage("journal.db", 100, 3000)),
    "garbage in the middle": folded_in(garbage("journal.db", 20_000, 20_000)),
    "half a log": cut("journal.db-wal", 0.02),
    "an empty log": cut("journal.db-wal", 0.0),
    "garbage in the log": garbage("journal.db-wal", 0, 5000),
}


@pytest.fixture(params=DAMAGES, ids=[name.replace(" ", "_") for name in DAMAGES])
def damaged(request: pytest.FixtureRequest, whole: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "desk"
    shutil.copytree(whole, folder)
    DAMAGES[request.param](folder)
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_says_what_is_wrong(damaged: Path, command: str) -> None:
    done = tercel(*command.format(desk=damaged).split())
    assert done.exception is None or isinstance(done.exception, SystemExit), repr(done.exception)
    assert "Traceback" not in done.output
    assert done.exit_code in (0, 1, 2)
    assert "Usage:" not in done.output, done.output
    if done.exit_code == 2:
        assert all(word in done.output for word in ("expected", "received", "to go on")), (
            done.output
        )


def test_a_session_does_not_start_on_it_and_goes_on_when_a_person_acknowledges_that(
    damaged: Path,
) -> None:
    with pytest.raises(JournalError, match="acknowledge"):
        SqlJournal(damaged, "test")
    journal = SqlJournal(damaged, "test", acknowledge="the disk was broken")
    assert [
        entry.body["reason"] for _, entry in journal.read() if entry.kind == kinds.OPERATOR
    ] == ["the disk was broken"]
    journal.close()
    assert verify(damaged).fault == ""
    assert (damaged / "journal.db.damaged-1").is_file()
