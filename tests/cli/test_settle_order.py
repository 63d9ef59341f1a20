"""`tercel trade settle --order`: a person ends an order of which the venue will never speak again; `--execution`."""

from contextlib import closing
from pathlib import Path

import pytest
from tests.cli.command import done, refused, tercel
from tests.desk.limits.test_gate import limits
from tests.parts import whole

from tercel.api.desk import posted_commands, reconciliation
from tercel.core.fixed_point import ONE
from tercel.core.orders import ExecType, Listing, NewOrder, OrdStatus, Report, Tif
from tercel.core.ports import Entry
from tercel.desk.limits import LimitGate
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.codec import entry_in, entry_out
from tercel.desk.trading.journal.store import SqlJournal
from tercel.desk.trading.parent_orders.parent import acceptance_entry
from tercel.desk.trading.parent_orders.parent_request import ParentRequest
from tercel.desk.trading.reconciliation.refold import refold


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
                acceptance_entry(ParentRequest("p", "A", 1, 100, 10**12, 1, "twap_take", "x"), 0),
                *(entry_out(each, "p") for each in (first, second)),
                *(entry_in(each, "p") for each in (new, filled)),
            ]
        )
    return folder


SETTLE = ("trade", "settle", "--reason", "the broker says so", "--desk")


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
    said = done(*SETTLE, desk, "--order", "p.1")
    assert [(row["order"], row["filled"]) for row in said["settled"]] == [("p.1", 3), ("p.1", 3)]
    for folder in (desk, desk / "gate"):
        gate, orders = folded(folder)
        assert orders == {"p.1": ("canceled", 3), "p.2": ("pending_new", 0)}
        held = gate.holdings["x", "A"]
        assert (whole(held.position), whole(held.buys)) == (3, 10)
        with closing(SqlJournal(folder, "test")) as journal:
            (who,) = [entry.body for _, entry in journal.read(kinds=(kinds.OPERATOR,))]
        assert who == who | {"command": "settle", "reason": SETTLE[3], "by": said["by"]}
    refused(tercel(*SETTLE, desk, "--order", "p.1"), "p.1; nothing was written")


def test_a_desk_without_the_order_or_without_an_answer_is_left_alone(tmp_path: Path) -> None:
    desk = journal_of(tmp_path / "desk")
    before = folded(desk)[1]
    for name in ("p.3", "q"):
        words = (*SETTLE, desk, "--order", "p.1", "--order", name)
        refused(tercel(*words), f"{name}; nothing was written")
    with closing(SqlJournal(desk, "somebody who trades")):
        left = tercel(*SETTLE, desk, "--order", "p.1", "--wait", 0.1)
    assert left.exit_code == 1
    assert folded(desk)[1] == before


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, str, object]]:
    """What running desks are asked; each obeys."""
    found: list[tuple[Path, str, object]] = []

    def answered(
        folder: Path, what: str, body: object, *_: object
    ) -> posted_commands.PostedCommand:
        found.append((folder, what, body))
        return posted_commands.PostedCommand(folder, what, 1, Entry(kinds.SETTLED, 0), idle=False)

    for module in (posted_commands, reconciliation):
        monkeypatch.setattr(module, "post_and_wait", answered)
    return found


def test_who_runs_is_asked_and_obeys(tmp_path: Path, asked: list[tuple[Path, str, object]]) -> None:
    """A gate tells the desk behind it; one that runs without a desk leaves the desk's own journal to this command."""
    desk = journal_of(tmp_path / "desk")
    journal_of(desk / "gate")
    words = (*SETTLE, desk, "--order", "p.1")
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
    tmp_path: Path, asked: list[tuple[Path, str, object]]
) -> None:
    """`--execution` asks the folder that is named, with orders and without."""
    desk = journal_of(tmp_path / "desk")
    words = (*SETTLE, desk, "--execution", "p.1:e1", "--execution", "p.2:e2")
    for typed in (words, (*words, "--order", "p.1"), (*SETTLE, desk)):
        assert tercel(*typed).exit_code == 0
    executions = (desk, "settle", {"executions": ["p.1:e1", "p.2:e2"]})
    assert asked == [executions, executions, (desk, "settle", {})]
