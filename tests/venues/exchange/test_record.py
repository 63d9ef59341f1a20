"""What the exchange remembers, against a plain book of everything that it ever reported."""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, strategies as st
from tests.parts import whole

from certify.kits.venue import PublicBook
from tercel.core.errors import VenueError
from tercel.core.orders import (
    CancelOrder,
    CancelReject,
    Command,
    ExecType,
    MarketRows,
    MassCancel,
    NewOrder,
    OrdStatus,
    ReplaceOrder,
    Report,
    StatusRequest,
    Tif,
)
from tercel.market.flow.registry import load
from tercel.market.simulator.source import Source, reactive
from tercel.venues.exchange import EntryLatency, MarketSpec, SimulatedExchange, order_record

S = 10**9
Said = Report | CancelReject


@pytest.fixture(scope="module")
def csco() -> Source:
    return reactive(load("csco-santa-fe"), settle_s=300.0)


@dataclass
class Book:
    """Everything that was reported: of each order its latest report, its trades and its names."""

    latest: dict[str, Report] = field(default_factory=dict)
    trades: dict[str, list[Report]] = field(default_factory=dict)
    named: dict[tuple[str, str], str] = field(default_factory=dict)
    spoken: set[tuple[str, str]] = field(default_factory=set)

    def take(self, said: list[Said]) -> None:
        for report in said:
            if not isinstance(report, Report) or not report.order_id:
                continue
            if report.exec_type is ExecType.TRADE:
                self.trades.setdefault(report.order_id, []).append(report)
            if report.exec_type in (ExecType.NEW, ExecType.REPLACED):
                self.named[report.account, report.cl_ord_id] = report.order_id
                self.latest[report.order_id] = report
            else:  # a cancel's name is not its order's
                name = self.latest[report.order_id].cl_ord_id
                self.latest[report.order_id] = replace(report, cl_ord_id=name)

    def state(self, order_id: str, asked: str) -> Report:
        """How a question about an order is answered, after its trades."""
        words = {"orig": asked, "last_qty": 0, "last_px": 0, "passive": False, "text": ""}
        return replace(self.latest[order_id], exec_type=ExecType.STATUS, **words)

    def answer(self, account: str, name: str) -> list[Report]:
        ids = dict.fromkeys(
            id_ for (of, known), id_ in self.named.items() if of == account and name in ("", known)
        )  # fmt: skip
        return [each for id_ in ids for each in (*self.trades.get(id_, []), self.state(id_, name))]

    def executions(self, account: str) -> list[Report]:
        return [
            trade for trades in self.trades.values() for trade in trades if trade.account == account
        ]


class Client:
    """Sends one command after the other, and hears all that comes of it."""

    def __init__(self, source: Source, seed: int) -> None:
        spec = MarketSpec(source, seed, client_orders=8)
        self.exchange = SimulatedExchange({"A": spec}, latency=EntryLatency("constant", 1000))
        self.public, self.book = PublicBook(), Book()
        self.exchange.subscribe("A")
        self.run(S)

    def run(self, ns: int) -> list[Said]:
        heard: list[Said] = []
        until = self.exchange.now_ns + ns
        while self.exchange.now_ns < until:
            for event in self.exchange.step(until):
                if isinstance(event, MarketRows):
                    self.public.apply(event)
                else:
                    heard.append(event)
        return heard

    def do(self, command: Command) -> list[Said]:
        """What a command that is no question led to."""
        self.exchange.send(command)
        heard = self.run(10_000)
        self.book.take(heard)
        return heard

    def ask(self, account: str, name: str) -> None:
        """A question is answered as the book has it; executions as they were first reported."""
        self.exchange.send(StatusRequest(name, account, 0))
        said = self.exchange.step(self.exchange.now_ns)
        told = [event for event in said if isinstance(event, Report)]
        expected = self.book.answer(account, name)
        if name and not expected:
            (unknown,) = told
            assert (unknown.text, unknown.status) == ("unknown order", OrdStatus.REJECTED)
            return
        fresh = {report.exec_id for report in told if report.exec_type is ExecType.STATUS}
        assert len(fresh) == sum(report.exec_type is ExecType.STATUS for report in told)
        assert not fresh & {report.exec_id for report in [*self.book.latest.values(), *expected]}
        assert [_told(report) for report in told] == [_told(report) for report in expected]

    def check_executions(self, account: str) -> None:
        trades = self.exchange.executions(account)
        assert sorted(trades, key=repr) == sorted(self.book.executions(account), key=repr)
        assert [trade.ns for trade in trades] == sorted(trade.ns for trade in trades)
        for at, trade in enumerate(trades):
            assert self.exchange.executions(account, trade.exec_id) == trades[at + 1 :]
        with pytest.raises(VenueError):
            self.exchange.executions(account, "none")


def _told(report: Report) -> Report:
    """A trade word for word; of a state all but the name and time of the answer."""
    return replace(report, exec_id="", ns=0) if report.exec_type is ExecType.STATUS else report


STEPS = st.lists(
    st.tuples(
        st.sampled_from("nnnnxxxiccrrmtt"), st.sampled_from("ab"), st.sampled_from([1, -1]), st.integers(-3, 3),
        st.integers(1, 30), st.integers(0, 40), st.integers(0, 9),
    ),
    max_size=40,
)  # fmt: skip


@given(steps=STEPS, seed=st.integers(0, 50), waiting=st.sampled_from([1, 3, 512]))
def test_it_answers_as_a_book_of_everything_would(
    csco: Source, steps: list[tuple], seed: int, waiting: int
) -> None:
    """Orders that are over, names that were used, trades: nothing is forgotten, and none of it stays in memory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(order_record, "_WAITING", waiting)
        _answers(Client(csco, seed), steps)


def _answers(client: Client, steps: list[tuple]) -> None:
    used: dict[str, list[str]] = {"a": [], "b": []}
    for n, (what, who, side, away, lots, which, again) in enumerate(steps):
        book, mine = client.book, used[who]
        name = mine[which % len(mine)] if mine and not again else f"{who}{n}"
        anybodys = [*mine, *used["b" if who == "a" else "a"], "none"]
        orig = anybodys[which % len(anybodys)]
        known = book.named.get((who, orig))
        price = client.public.best(side) + side * away
        resting = [last for last in book.latest.values() if whole(last.leaves_qty)]
        command: Command
        if what == "x" and resting:
            met = resting[which % len(resting)]
            command = NewOrder(name, "A", -met.side, lots, met.price, Tif.IOC, who, "", 0)
        elif what in "nix":
            command = NewOrder(
                name, "A", side, lots, price, Tif.DAY if what == "n" else Tif.IOC, who, "", 0
            )
        elif what == "c":
            command = CancelOrder(name, orig, "A", side, who, 0)
        elif what == "r":
            command = ReplaceOrder(name, orig, "A", side, lots, price, who, "", 0)
        elif what == "m":
            client.do(MassCancel(name, who, "", 0))
            assert not any(
                whole(last.leaves_qty) for last in book.latest.values() if last.account == who
            )
            continue
        else:
            book.take(client.run(S))
            continue
        mine.append(name)
        twice, over = (
            (who, name) in book.spoken,
            known is not None and not whole(book.latest[known].leaves_qty),
        )
        if what in "nix" or known is not None:
            book.spoken.add((who, name))
        said = [
            each for each in client.do(command) if each.cl_ord_id == name and each.account == who
        ]
        texts = [each.text for each in said if each.text]
        if what in "cr" and known is None:
            assert texts == [f"unknown order {orig!r}"]
        elif twice:
            assert f"duplicate cl_ord_id {name!r}" in texts
        elif what in "cr" and over:
            assert [text.split(":")[0] for text in texts] == ["too late"]
            assert [each.status for each in said] == [book.latest[str(known)].status]
        client.ask(who, orig)
    for who in "ab":
        for name in {*used[who], ""}:
            client.ask(who, name)
        client.check_executions(who)
        held = sum(trade.side * trade.last_qty for trade in client.book.executions(who))
        assert client.exchange.positions(who).get("A", 0) == held
    still = {last.order_id for last in client.book.latest.values() if whole(last.leaves_qty)}
    assert {order.order_id for order in client.exchange._orders.open_of("")} == still
    assert sum(map(len, client.exchange._orders._open.values())) == len(still)
