"""`tercel trade settle --order`: a person ends an order of which the venue will never speak again; `--execution`."""

import json
from contextlib import closing
from pathlib import Path

import pytest
from tests.desk.limits.test_gate import limits
from tests.parts import whole
from typer.testing import CliRunner, Result

from tercel.api.desk import folder as desk_folder
from tercel.cli import app
from tercel.core.orders import ONE, ExecType, Listing, NewOrder, OrdStatus, Report, Tif
from tercel.core.ports import Entry
from tercel.desk.limits import LimitGate
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.codec import entry_in, entry_out
from tercel.desk.trading.journal.store import SqlJournal
from tercel.desk.trading.parent_orders.parent import ParentRequest, accepted
from tercel.desk.trading.reconciliation.recovery import refold


def tercel(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def journal_of(folder: Path) -> Path:
    """Of an agent with two orders at a venue that was heard of last when it had filled 3 of the first."""
    folder.mkdir(parents=True)
    first, second = (NewOrder(f"p.{n}", "A", 1, 10, 1000, Tif.DAY, "x", "p", n) for n in (1, 2))
    new, filled = (
        Report(
            f"e{n}",
            kind,
            status,
            "p.1",
            "",
            "V1",
            "x",
            "A",
            1,
            10,
            1000,
            *(value * ONE for value in (last, 1000 if last else 0, last, 10 - last)),
            n,
        )
        for n, kind, status, last in (
            (5, ExecType.NEW, OrdStatus.NEW, 0),
            (6, ExecType.TRADE, OrdStatus.PARTIALLY_FILLED, 3),
        )
    )
    with closing(SqlJournal(folder, "test")) as journal:
        journal.append(
            [
                Entry(
                    kinds.SESSION,
                    0,
                    body={"session": 1, "resume": False, "holder": "test", "venue": "there"},
                ),
                accepted(ParentRequest("p", "A", 1, 100, 10**12, 1, "twap_take", "x"), 0),
                *(entry_out(each, "p") for each in (first, second)),
                *(entry_in(each, "p") for each in (new, filled)),
            ]
        )
    return folder


def folded(folder: Path) -> tuple[LimitGate, dict[str, tuple[str, int]]]:
    gate = LimitGate(limits(), [Listing("A", 0.01, 100)], ["x"])
    with closing(SqlJournal(folder, "test")) as journal:
        orders = refold(journal, gate).orders
    return gate, {
        name: (str(orders.get(name).base), whole(orders.get(name).cum_qty))
        for name in ("p.1", "p.2")
    }  # type: ignore[union-attr]


def test_an_order_is_over_with_what_was_filled_and_its_lots_are_free(tmp_path: Path) -> None:
    desk = journal_of(tmp_path / "desk")
    journal_of(desk / "gate")
    words = [
        "trade",
        "settle",
        "--order",
        "p.1",
        "--reason",
        "the broker says so",
        "--desk",
        desk,
        "--json",
    ]
    done = tercel(*words)
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert [(row["order"], row["filled"]) for row in said["settled"]] == [("p.1", 3), ("p.1", 3)]
    for folder in (desk, desk / "gate"):
        gate, orders = folded(folder)
        assert orders == {"p.1": ("canceled", 3), "p.2": ("pending_new", 0)}
        assert (whole(gate.holdings["x", "A"].position), whole(gate.holdings["x", "A"].buys)) == (
            3,
            10,
        )
        with closing(SqlJournal(folder, "test")) as journal:
            (who,) = [entry.body for _, entry in journal.read(kinds=(kinds.OPERATOR,))]
        assert (who["command"], who["reason"], who["by"]) == (
            "settle",
            "the broker says so",
            said["by"],
        )
    again = tercel(*words)
    assert again.exit_code == 2, again.output
    assert "p.1; nothing was written" in again.output


@pytest.mark.parametrize("name", ["p.3", "q"])
def test_an_order_that_nobody_has_is_refused(tmp_path: Path, name: str) -> None:
    desk = journal_of(tmp_path / "desk")
    before = folded(desk)[1]
    refused = tercel(
        "trade", "settle", "--order", "p.1", "--order", name, "--reason", "x", "--desk", desk
    )
    assert refused.exit_code == 2
    assert f"{name}; nothing was written" in refused.output
    assert folded(desk)[1] == before


def test_a_desk_that_runs_and_does_not_answer_is_left_alone(tmp_path: Path) -> None:
    desk = journal_of(tmp_path / "desk")
    before = folded(desk)[1]
    with closing(SqlJournal(desk, "somebody who trades")):
        left = tercel(
            "trade", "settle", "--order", "p.1", "--reason", "x", "--desk", desk, "--wait", 0.1
        )
    assert left.exit_code == 1
    assert folded(desk)[1] == before


def test_who_runs_is_asked_and_obeys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gate tells the desk behind it; one that runs without a desk leaves the desk's own journal to this command."""
    desk = journal_of(tmp_path / "desk")
    journal_of(desk / "gate")
    asked: list[tuple[Path, str, object]] = []

    def answered(folder: Path, what: str, body: object, *_: object) -> desk_folder.PostedCommand:
        asked.append((folder, what, body))
        return desk_folder.PostedCommand(folder, what, 1, Entry(kinds.SETTLED, 0), idle=False)

    monkeypatch.setattr(desk_folder, "ask", answered)
    words = ("trade", "settle", "--order", "p.1", "--reason", "the broker says so", "--desk", desk)
    with closing(SqlJournal(desk / "gate", "a gate")):
        with closing(SqlJournal(desk, "a desk")):
            assert tercel(*words).exit_code == 0
        assert asked == [(desk / "gate", "settle", {"orders": ["p.1"]})]
        assert tercel(*words).exit_code == 0
    assert len(asked) == 2
    assert [folded(folder)[1]["p.1"][0] for folder in (desk, desk / "gate")] == [
        "canceled",
        "partially_filled",
    ]


def test_executions_are_confirmed_by_the_journals_own_desk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--execution` asks the folder that is named, with orders and without."""
    desk, asked = journal_of(tmp_path / "desk"), list[tuple[Path, str, object]]()

    def answered(folder: Path, what: str, body: object, *_: object) -> desk_folder.PostedCommand:
        asked.append((folder, what, body))
        return desk_folder.PostedCommand(folder, what, 1, Entry(kinds.REARM, 0), idle=False)

    monkeypatch.setattr(desk_folder, "ask", answered)
    words = (
        "trade",
        "settle",
        "--execution",
        "p.1:e1",
        "--execution",
        "p.2:e2",
        "--reason",
        "x",
        "--desk",
        desk,
    )
    assert tercel(*words).exit_code == 0
    assert tercel(*words, "--order", "p.1").exit_code == 0
    assert tercel("trade", "settle", "--reason", "x", "--desk", desk).exit_code == 0
    executions = (desk, "settle", {"executions": ["p.1:e1", "p.2:e2"]})
    assert asked == [executions, executions, (desk, "settle", {})]
