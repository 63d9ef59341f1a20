"""A desk is killed or cut off between a request for quotes and its fill: nothing lost, nothing twice, no quote hit twice."""

import sys
from collections import Counter
from dataclasses import replace

import pytest
from tests import forked
from tests.desk.trading.quoting import Quoting

from certify.fix.quotes_acceptor import panel
from certify.tiny import TinyVenue
from exchange.dealers import DealerVenue
from exchange.fix.server import serve_fix
from tercel.core.fixed_point import ONE
from tercel.core.orders import OrdStatus, Report, Unread
from tercel.core.pace import Pace
from tercel.core.system import MonotonicClock
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import QuoteEntry
from tercel.desk.trading.journal.reader import JournalReader
from tercel.desk.trading.ledger import Ledger


class Sure(TinyVenue):
    """A venue that says of an order which never came that it is over, not that it does not know it."""

    def _status(self, command):
        super()._status(command)
        self._events = [
            replace(one, status=OrdStatus.REJECTED)
            if isinstance(one, Report) and one.status is OrdStatus.UNKNOWN
            else one
            for one in self._events
        ]


class Answering(Quoting):
    """Dealers who answer within milliseconds, the first after a last look."""

    request_quotes, pass_quotes = DealerVenue.request_quotes, DealerVenue.pass_quotes

    def __init__(self):
        super().__init__(Sure())
        answers = self._panel.answer_s.copy()
        answers[:] = 0.002
        self._panel = replace(panel(), answer_s=answers)


@pytest.mark.parametrize(
    "kills",
    [pytest.param(4, marks=pytest.mark.long), pytest.param(200, marks=pytest.mark.release)],
)
def test_kills_between_request_and_fill(kills, tmp_path):
    venue = Answering()
    with serve_fix(
        venue, 0, ["A"], pace=Pace(MonotonicClock()), store=tmp_path / "server"
    ) as server:
        (tmp_path / "desk").mkdir()
        words = [str(server.port), str(tmp_path / "desk"), str(kills)]
        command = [sys.executable, "-m", "tests.desk.trading.quote_desk", *words]
        done = forked.run(command, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        trades = list(venue.executions("A"))
    journal = JournalReader(tmp_path / "desk")
    ledger = Ledger.of(journal)
    told = [QuoteEntry.of(one) for _, one in journal.read(kinds=(kinds.QUOTE,))]
    assert int(done.stdout) >= kills * 0.8
    assert max(Counter(venue.hits).values()) == 1
    assert {fill.exec_id for fill in ledger.orders.fills} == {one.exec_id for one in trades}
    assert len(ledger.orders.fills) == len(trades) >= kills // 2
    parent = ledger.parents.require("p1")
    assert parent.filled_qty == sum(one.last_qty for one in trades)
    assert {one.last_qty for one in trades} == {2 * ONE}
    assert ledger.faults() == []
    # Quotes that answer a desk which has ended.
    assert all(isinstance(one, Unread) for one in ledger.orders.quarantined)
    requested = [one.request for one in told if one.event == "requested"]
    assert sorted(requested) == sorted(one.request for one in told if one.event == "ended")
    traded = {one.request for one in told if one.event == "ended" and one.outcome == "traded"}
    orders = {one.order: one for _, one in journal.read(kinds=(kinds.QUOTE,)) if one.order}
    filled = {fill.order for fill in ledger.orders.fills}
    assert {QuoteEntry.of(orders[name]).request for name in filled} == traded
