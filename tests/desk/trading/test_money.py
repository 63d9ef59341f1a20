"""Money against a twin that adds up executions one by one, and against closed forms."""

import itertools
import math
import random
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.desk.console.desks import S, report
from tests.desk.trading.desk_of_two import asked, exchange_of, session_of
from tests.desk.trading.random_journals import Story

from tercel.core.fixed_point import ONE, Unit
from tercel.core.link.shown_book import scaled_listing
from tercel.core.orders import Listing
from tercel.core.ports import Entry
from tercel.desk.limits import MONEY
from tercel.desk.trading.child_orders.positions import Position
from tercel.desk.trading.heartbeat import trading_units
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.codec import entry_in
from tercel.desk.trading.journal.memory import MemoryJournal
from tercel.desk.trading.ledger import Ledger
from tercel.desk.trading.risk import money as m
from tercel.desk.trading.risk.money import (
    LEAST,
    MOST_MARKS,
    OVER,
    UNDER,
    HeldPosition,
    Money,
    VarMonitor,
    group_holdings,
    sum_figure,
)

LISTED = {
    "X": {"tick": 0.01, "lot": 100, "currency": "USD", "fees": [-20_000_000, 60_000_000, 0, 0]},
    "Y": {"tick": 0.05, "lot": 0.001, "currency": "USDT", "fees": [0, 0, 10_000, 75_000]},
}


def folded(entries):
    money, ledger = Money(), Ledger()
    for entry in entries:
        ledger.apply(entry)
        money.apply(entry, ledger)
    return money, ledger


def a_story(seed: int, steps: int = 600) -> list[Entry]:
    story = Story(seed)
    story.entries[0] = Entry(kinds.SESSION, S, body={**story.entries[0].body, "listings": LISTED})
    for _ in range(steps):
        story.step()
    return story.entries


def cash(ledger, listed=LISTED):
    """By agent and instrument: money received less paid, lots held, and fees; of every execution that stands."""
    found = {}
    for fill in ledger.orders.fills:
        words = listed[fill.instrument]
        tick, lot = Fraction(str(words["tick"])), Fraction(str(words["lot"]))
        maker, taker, maker_rate, taker_rate = words["fees"]
        lots, price = Fraction(fill.qty, ONE), Fraction(fill.px, ONE) * tick
        a_lot, rate = (maker, maker_rate) if fill.passive else (taker, taker_rate)
        fee = (
            Fraction(a_lot, 10**8) * tick / 2 * lot * lots
            + Fraction(rate, 10**8) * price * lot * lots
        )
        got = found.setdefault((fill.account, fill.instrument), [Fraction(0)] * 3)
        got[0] -= fill.side * price * lot * lots
        got[1] += fill.side * lots
        got[2] += fee
    return found


@pytest.mark.parametrize("seed", range(12))
def test_profit_is_cash_and_what_is_held_at_the_mark(seed: int) -> None:
    money, ledger = folded(a_story(seed))
    marked = {"X": Fraction(money.marks["X"][1], 2), "Y": Fraction(money.marks["Y"][1], 2)}
    twin = cash(ledger)
    held = money.holdings(ledger.positions)
    assert {(one.agent, one.instrument) for one in held} >= set(twin)
    for one in held:
        received, lots, fees = twin.get((one.agent, one.instrument), (0, 0, 0))
        unit = Fraction(str(LISTED[one.instrument]["tick"])) * Fraction(
            str(LISTED[one.instrument]["lot"])
        )
        worth = lots * marked[one.instrument] * unit
        assert one.exact("realised") + one.exact("open") == received + worth
        assert (one.exact("value"), one.exact("fees")) == (worth, fees)
    assert ledger.orders.rebooked


@pytest.mark.parametrize("seed", range(6))
def test_agents_add_up_to_the_desk_in_every_currency(seed: int) -> None:
    money, ledger = folded(a_story(seed))
    held = money.holdings(ledger.positions)
    desk = {row["currency"]: row for row in money.total(held)}
    assert set(desk) == {"USD", "USDT"}
    for name in ("realised", "open", "fees", "total", "gross", "net"):
        agents = {one.agent for one in held}
        rows = [
            row
            for agent in agents
            for row in money.total(one for one in held if one.agent == agent)
        ]
        for currency, row in desk.items():
            whole = math.fsum(each[name] for each in rows if each["currency"] == currency)
            assert row[name] == pytest.approx(whole, rel=1e-12, abs=1e-9)
    money.curve.due_ns, ledger.moves = 0, []
    money.apply(
        Entry(kinds.MARKET, 10**15, "X", body={"bid": money.marks["X"][1] - 100, "ask": 100}),
        ledger,
    )
    held = group_holdings(money.holdings(ledger.positions), lambda one: one.unit.currency)
    points = [one for _, point in money.curve.points for one in point]
    for currency, row in desk.items():
        (some,) = (some for at, some in held if at == currency)
        assert row["net"] == pytest.approx(sum(sum_figure([one], "value") for one in some))
        assert row["gross"] == pytest.approx(sum(sum_figure([one], "gross") for one in some))
        last = [one for one in points if one["currency"] == currency][-1]
        assert (last["realised"], last["open"]) == (row["realised"], row["open"])


def beat(ns: int, **marks: tuple[int | None, int | None]) -> list[Entry]:
    return [
        Entry(kinds.MARKET, ns, name, body={"bid": bid, "ask": ask})
        for name, (bid, ask) in marks.items()
    ]


def holding(money: Money, name: str, lots: int) -> HeldPosition:
    unit = money.units[name]
    return HeldPosition("ann", name, Position(qty=lots * ONE), unit, money.marks[name], 0)


def test_value_at_risk_is_the_fifth_percentile_of_what_the_marks_did() -> None:
    draw = np.random.default_rng(4)
    mids = {
        name: (10_000 * np.exp(np.cumsum(draw.normal(0, 2e-4, 401)))).astype(int) for name in "XY"
    }
    listed = dict.fromkeys("XY", LISTED["X"])
    entries = [Entry(kinds.SESSION, S, body={"session": 1, "listings": listed})]
    for minute in range(401):
        entries += beat(
            (minute + 1) * 60 * S, **{name: (int(mids[name][minute]),) * 2 for name in "XY"}
        )
    money, _ = folded(entries)
    lots = {"X": 30, "Y": -20}
    results = []
    for minute in range(400):
        moves = {name: mids[name][minute + 1] / mids[name][minute] - 1 for name in "XY"}
        results.append(
            sum(lots[name] * mids[name][-1] * 1.0 * moves[name] for name in "XY")
        )  # a tick of a lot is 1
    twentieth = sorted(results)[19]  # the 20th worst of 400
    held = [holding(money, name, lots[name]) for name in "XY"]
    [row] = money.total(held, limit=1e6)
    assert row["var95"] == pytest.approx(-twentieth * math.sqrt(1440))
    assert (row["var_used"], row["var_returns"]) == (pytest.approx(row["var95"] / 1e6), 400)
    few, _ = folded(entries[: 1 + 2 * 60])  # 59 returns
    assert few.total([holding(few, "X", 1)], limit=1e6)[0]["var95"] is None


def test_a_clock_that_begins_again_makes_no_return() -> None:
    listed = Entry(kinds.SESSION, S, body={"session": 1, "listings": LISTED})
    entries = [
        listed,
        *beat(60 * S, X=(10, 12)),
        *beat(120 * S, X=(11, 13)),
        *beat(60 * S, X=(90, 92)),
    ]
    money, _ = folded(entries)
    assert [step for step, _ in money.returns] == [60 * S]


@pytest.mark.parametrize("seed", range(4))
def test_correlation_is_numpys_of_signed_lots_by_the_minute(seed: int) -> None:
    entries = a_story(seed, 900)
    money, ledger = folded(entries)
    ns = max(entry.ns for entry in entries)
    agents, matrix = money.correlation(ns)
    moved = [fill for pair in ledger.orders.rebooked for fill in pair if fill is not None]
    minutes = sorted({one.ns // m.MINUTE_NS for one in [*ledger.orders.fills, *moved]})
    minutes = [minute for minute in minutes if minute < ns // m.MINUTE_NS]
    rows = [[0.0] * 2 for _ in minutes]
    for fill in ledger.orders.fills:
        if (minute := fill.ns // m.MINUTE_NS) in minutes:
            rows[minutes.index(minute)][["ann", "bob"].index(fill.account)] += (
                fill.side * fill.qty / ONE
            )
    assert agents == ["ann", "bob"]
    np.testing.assert_allclose(matrix, np.corrcoef(np.array(rows).T), atol=1e-12)


def test_the_curve_is_thinned_and_never_cut() -> None:
    entries = [Entry(kinds.SESSION, S, body={"session": 1, "listings": LISTED})]
    for at in range(5000):
        entries += beat((at + 1) * 10 * S, X=(100, 101))
    money, _ = folded(entries)
    times = [ns for ns, _ in money.curve.points]
    assert m.MOST_POINTS <= len(times) <= 2 * m.MOST_POINTS
    assert times[0] == 10 * S
    assert 50_000 * S - times[-1] <= max(b - a for a, b in itertools.pairwise(times)) <= 160 * S


def test_a_journal_without_listings_shows_ticks_and_says_so() -> None:
    money, ledger = folded(Story(3).entries)
    assert Unit().to_json() == {"tick": None, "lot": None, "currency": "ticks x lots"}
    story = Story(3)
    for _ in range(300):
        story.step()
    money, ledger = folded(story.entries)
    [row] = money.total(money.holdings(ledger.positions))
    assert (row["currency"], row["fees"]) == ("ticks x lots", None)
    assert row["total"] == pytest.approx(row["realised"] + row["open"])


def test_without_a_mark_nobody_knows_what_is_open() -> None:
    entries = [entry for entry in a_story(5) if entry.kind != kinds.MARKET]
    money, ledger = folded([*entries, *beat(10**15, X=(100, None))])
    rows = money.total(money.holdings(ledger.positions))
    assert all(
        row[name] is None for row in rows for name in ("open", "total", "net", "gross", "var95")
    )
    assert all(row["realised"] is not None for row in rows)


def test_a_lot_of_less_than_a_coin_is_journaled_as_it_trades() -> None:
    shown = trading_units(scaled_listing("BTCUSDT", "0.01", "0.00001")[0])
    assert (shown["tick"], shown["lot"]) == (0.01, 0.00001)


# -- value at risk of a session ---------------------------------------------------------------------------------------


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
        self.watch.begin()

    def write(self, *entries: Entry) -> None:
        for entry in entries:
            self.ledger.last = self.journal.append([entry])
            self.ledger.apply(entry)
            self.money.apply(entry, self.ledger)

    def beat(self, ns: int, half: int, most: float) -> None:
        self.limits.daily_loss = most * MONEY
        entries = [Entry(kinds.HEARTBEAT, ns, body={}), a_mark(ns, half)]
        self.write(*entries)
        self.watch.check(entries)

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
    assert text == f"value at risk of a day: {desk.risk:,.0f} USD of 0 USD that a day may lose"


def test_a_session_at_work_alerts_where_its_limit_is_below_what_is_at_risk() -> None:
    session = session_of(exchange_of(), heartbeat_ns=5 * S)
    session.manager.accept(asked(strategy="twap_take"))  # type: ignore[no-untyped-call]
    for _ in range(90):
        session.run_until(session.now_ns + 6 * S)
    assert not [
        one for _, one in session.journal.read(0, (kinds.ALERT,)) if one.body["code"] == OVER
    ]
    session.keeper.tighten({"desk.daily_loss": "1"}, "ann", "a test")
    session.run_until(session.now_ns + 10 * S)
    told = [one for _, one in session.journal.read(0, (kinds.ALERT,)) if one.body["code"] == OVER]
    assert [one.body["severity"] for one in told] == ["warning"]
