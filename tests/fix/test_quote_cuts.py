"""Cuts and kills between a request for quotes and its fill: nothing is lost, nothing comes twice, no quote is taken twice."""

import random
import shutil
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from tests.waiting import until

from certify.fix.quotes_acceptor import panel
from certify.tiny import TinyVenue
from exchange.dealers import DealerVenue
from exchange.fix.server import serve_fix
from tercel.core import orders as o
from tercel.core.errors import VenueError
from tercel.core.orders import ONE, TERMINAL, Tif
from tercel.core.pace import Pace
from tercel.core.quotes import Quote, QuoteRequest
from tercel.core.system import WallClock
from tercel.fix.client import FixVenue
from tercel.fix.connection import WaitLimits

PROFILE = """
base = "generic-44"
[session]
target = "TERCEL"
[orders]
quotes = "{quotes}"
[[symbol]]
name = "TINY"
tick = 0.05
lot = 10
"""
MOMENTS = ("asked", "quoted", "sent", "heard")


class Client:
    """A client that is cut off and killed; what it had booked it knows afterwards, as a journal would."""

    def __init__(self, profile, port, folder):
        self._profile, self._port, self._folder, self._folders = profile, port, folder, 0
        self.fills, self.over, self.sent = {}, {}, []
        self.venue = self._begun()

    def _begun(self):
        return FixVenue(
            "127.0.0.1",
            self._port,
            "A",
            profile=self._profile,
            store=self._folder / str(self._folders),
            patience=WaitLimits(logon_s=20.0),
        )

    def cut(self):
        """The connection breaks."""
        if self.venue._link._connection is not None:
            self.venue._link._connection.close("cut")

    def kill(self):
        """The process ends at this moment; another begins with what lay on the disk."""
        old = self._folder / str(self._folders)
        self._folders += 1
        shutil.copytree(old, self._folder / str(self._folders))
        self.cut()
        self.venue._closed = True
        self.venue._link.end()
        self.venue._dialect.memory.close()
        self.venue = self._begun()

    def step(self):
        """Take what came; quotes are returned."""
        events = self.venue.step(self.venue.now_ns + 10**7)
        for one in events:
            if isinstance(one, o.Report):
                if one.last_qty:
                    assert self.fills.get(one.exec_id, one) == replace(
                        one, passive=self.fills.get(one.exec_id, one).passive
                    )
                    self.fills[one.exec_id] = one
                if one.status in TERMINAL or one.status is o.OrdStatus.UNKNOWN:
                    self.over[one.cl_ord_id] = one.status
        self.venue.unbooked = False
        return [one for one in events if isinstance(one, Quote)]

    def settle(self, name):
        """Step until an order is over; it is asked about where nothing says how it ended."""
        asked = 0

        def ended():
            nonlocal asked
            self.step()
            asked += 1
            if asked % 20 == 0 and self.venue.up and name not in self.over:
                self.venue.send(o.StatusRequest(name, "A", self.venue.now_ns))
            return name in self.over

        until(ended, what=f"the end of {name}")


@pytest.mark.parametrize("quotes", ["order", pytest.param("response", marks=pytest.mark.long)])
@pytest.mark.parametrize("rounds", [8, pytest.param(100, marks=pytest.mark.release)])
def test_requests_that_are_cut_off(rounds, quotes, profile, tmp_path, monkeypatch):
    monkeypatch.setattr("tercel.fix.link._STABLE_S", 0.0)
    dealers = replace(panel(), answer_s=np.array([0.005, 0.005, 0.005]))
    made = DealerVenue(TinyVenue(), dealers, lambda _: 100.0, unit_lots=5.0, life_s=600.0)
    hits, took = Counter(), made._take
    made._take = lambda order: (hits.update([order.quote]), took(order))
    rng = random.Random(rounds)
    told = profile(PROFILE.format(quotes=quotes))
    with serve_fix(made, 0, ["A"], pace=Pace(WallClock()), store=tmp_path / "server") as server:
        client = Client(told, server.port, tmp_path / "client")
        for n in range(rounds):
            trouble = client.kill if rng.random() < 0.5 else client.cut
            moment = MOMENTS[(n // 2) % 4] if rounds < 10 else rng.choice(MOMENTS)
            found = []
            now = client.venue.now_ns
            client.venue.capabilities.quotes.request_quotes(
                QuoteRequest(f"r{n}", "TINY", 1, 2, now + 600 * 10**9, "A", now, ("D1", "D2"))
            )
            if moment == "asked":
                trouble()
            try:
                until(lambda found=found: found.extend(client.step()) or len(found) > 1, 1.0)
            except AssertionError:
                continue  # who was killed knows no request: nothing is taken
            if moment == "quoted":
                trouble()
            until(lambda: client.step() is not None and client.venue.up, what="a link")
            name, quote = f"c{n}", found[-1]
            terms = "TINY", 1, 2, quote.offer, Tif.IOC, "A", "p", client.venue.now_ns, quote.id
            try:
                client.venue.send(o.QuotedOrder(name, *terms))
            except VenueError:
                continue
            client.sent.append(name)
            if moment == "sent":
                trouble()
            elif moment == "heard":
                client.step()
                trouble()
            client.settle(name)
            until(lambda: client.step() is not None and client.venue.up, what="a link")
            again = o.QuotedOrder(f"{name}-2", *terms)
            client.venue.send(again)
            client.settle(again.cl_ord_id)
            assert client.over[again.cl_ord_id] is o.OrdStatus.REJECTED
        client.venue.close()
        trades = made.executions("A")
    assert max(hits.values(), default=0) <= 1
    assert {one.exec_id for one in trades} == client.fills.keys()
    lots = Counter()
    for one in client.fills.values():
        lots[one.cl_ord_id] += one.last_qty
    assert set(lots.values()) <= {2 * ONE}
    assert {name for name, status in client.over.items() if status is o.OrdStatus.FILLED} == {*lots}
    assert len(lots) >= rounds // 4
