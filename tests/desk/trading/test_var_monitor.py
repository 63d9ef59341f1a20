"""Value at risk of a session: an alert a crossing, by the figure that the console shows."""

import random
from types import SimpleNamespace
from typing import Any

import pytest
from tests.desk.console.desks import S, report
from tests.desk.trading.desk_of_two import asked, exchange_of, session_of

from tercel.core.orders import Listing
from tercel.core.ports import Entry
from tercel.desk.limits import MONEY
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.chain import MemoryJournal
from tercel.desk.trading.journal.codec import entry_in
from tercel.desk.trading.ledger import Ledger
from tercel.desk.trading.risk.money import LEAST, MOST_MARKS, OVER, UNDER, Money, VarMonitor

MINUTE = 60 * S


class Desk:
    """A session with a position of 20 lots, its marks, and what its watch says."""

    def __init__(self, *before: Entry) -> None:
        self.journal, self.ledger, self.said = (
            MemoryJournal(),
            Ledger(),
            list[tuple[str, str, str]](),
        )
        self.money = Money()
        listing = Listing("AAA", 0.01, 1, currency="USD")
        self.write(
            Entry(
                kinds.SESSION,
                S,
                body={
                    "session": 1,
                    "listings": {"AAA": {"tick": 0.01, "lot": 1, "currency": "USD"}},
                },
            )
        )
        self.write(entry_in(report("e1", 20, S)), *before)
        self.limits = SimpleNamespace(daily_loss=0.0)
        gateway: Any = SimpleNamespace(
            limits=SimpleNamespace(limits=SimpleNamespace(desk=self.limits)),
            venue=SimpleNamespace(listings=lambda: [listing]), ledger=self.ledger, journal=self.journal,
            alert=lambda *words: self.said.append(words),
        )  # fmt: skip
        self.watch = VarMonitor(gateway)

    def write(self, *entries: Entry) -> None:
        for entry in entries:
            self.ledger.last = self.journal.append([entry])
            self.ledger.apply(entry)
            self.money.apply(entry, self.ledger)

    def beat(self, ns: int, half: int, most: float) -> None:
        self.limits.daily_loss = most * MONEY
        entries = [Entry(kinds.HEARTBEAT, ns, body={}), a_mark(ns, half)]
        self.write(*entries)
        self.watch.look(entries)

    @property
    def risk(self) -> float:
        found = self.money.var95(self.money.holdings(self.ledger.positions))
        assert found is not None
        return found


def a_mark(ns: int, half: int) -> Entry:
    return Entry(kinds.MARKET, ns, "AAA", body={"bid": half - 1, "ask": half + 1})


def marks(n: int, seed: int = 1) -> list[Entry]:
    draw = random.Random(seed)
    return [a_mark((2 + at) * MINUTE, 1000 + draw.randrange(-5, 6)) for at in range(n)]


def test_a_crossing_is_told_once_and_its_end_once() -> None:
    desk, at = Desk(*marks(LEAST + 1)), LEAST + 3
    limits = [2.0, 2.0, 0.5, 0.5, 0.97, 1.04, 0.97, 1.2, 1.2, 0.9, 0.9]
    told = ["", "", OVER, "", "", "", "", UNDER, "", OVER, ""]
    for n, (share, code) in enumerate(zip(limits, told, strict=True)):
        before, risk = len(desk.said), desk.risk
        desk.beat((at + n) * MINUTE, 1000, share * risk)
        assert [one[1] for one in desk.said[before:]] == ([code] if code else []), n
    severities = {code: severity for severity, code, _ in desk.said}
    assert severities == {OVER: "warning", UNDER: "info"}


def test_nothing_is_said_before_there_are_returns() -> None:
    desk = Desk()
    for n in range(LEAST):
        desk.beat((2 + n) * MINUTE, 1000 + n % 3, 1e-9)
    assert desk.said == []
    desk.beat((2 + LEAST) * MINUTE, 1000, 1e-9)
    assert [code for _, code, _ in desk.said] == [OVER]


@pytest.mark.parametrize("others", [0, 5000])
def test_a_session_that_begins_knows_the_marks_of_before_as_the_console_does(others: int) -> None:
    noise = [Entry(kinds.POSTURE, S, "AAA", body={}) for _ in range(others)]
    desk = Desk(*marks(2 * MOST_MARKS)[:MOST_MARKS], *noise, *marks(2 * MOST_MARKS)[MOST_MARKS:])
    desk.beat((2 * MOST_MARKS + 2) * MINUTE, 1000, 1e-9)
    ((_, _, text),) = desk.said
    assert text == f"value at risk of a day: {desk.risk:,.0f} USD of 0 that a day may lose"


def test_a_session_at_work_alerts_where_its_limit_is_below_what_is_at_risk() -> None:
    session = session_of(exchange_of(), heartbeat_ns=5 * S)
    session.accept(asked(strategy="twap_take"))  # type: ignore[no-untyped-call]
    for _ in range(90):
        session.run_until(session.now_ns + 6 * S)
    assert not [
        one for _, one in session.journal.read(0, (kinds.ALERT,)) if one.body["code"] == OVER
    ]
    session.keeper.tighten({"desk.daily_loss": "1"}, "ann", "a test")
    session.run_until(session.now_ns + 10 * S)
    told = [one for _, one in session.journal.read(0, (kinds.ALERT,)) if one.body["code"] == OVER]
    assert [one.body["severity"] for one in told] == ["warning"]
