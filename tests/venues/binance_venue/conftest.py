"""Venues of the adapter at our own server, both on one clock that may run fast."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.exchange.binance.conftest import ACCOUNT, FREE, KEY, MARKET, SECRET, bench_of

from exchange.binance.accounts import ApiKey
from exchange.binance.limits import RateLimits
from exchange.binance.serve import BinanceServer, serve_binance
from tercel.core.link.connection import WaitLimits
from tercel.core.pace import Pace
from tercel.core.system import MonotonicClock
from tercel.venues.binance_venue.opening import open_binance_venue
from tercel.venues.binance_venue.terms import BinanceTerms
from tercel.venues.binance_venue.venue import BinanceVenue

SINCE_BOOT_NS = 10**18
Allow = Callable[[str], object]
PATIENCE = WaitLimits(logon_s=60.0, outage_s=60.0)


class Served:
    """A server with its clock, and venues at it."""

    def __init__(
        self,
        speed: float,
        limits: RateLimits,
        keys: list[ApiKey] | None,
        market: str = MARKET,
        listen_keys: bool = False,
    ) -> None:
        self.engine = bench_of(market, wall_ns=time.time_ns()).engine
        self.engine.advance(self.engine.now_ns + 10**9)  # kernels are compiled before time runs
        self.pace = Pace(MonotonicClock(), speed)
        self.pace.begin(self.engine.now_ns)
        known = keys or [ApiKey(KEY, ACCOUNT, SECRET)]
        self.server: BinanceServer = serve_binance(
            self.engine,
            known,
            pace=self.pace,
            limits=limits,
            wall_ns=lambda: self.pace.now_ns,
            listen_keys=listen_keys,
        ).start()
        self.opened: list[BinanceVenue] = []
        self.urls = {
            "rest_url": self.server.url,
            "ws_url": self.server.ws_url,
            "ws_api_url": self.server.ws_api_url,
        }

    def now(self) -> int:
        return self.pace.now_ns

    def venue(self, store: Path | None = None, allow: Allow = str, **terms: Any) -> BinanceVenue:
        said = {"recv_window_ms": 60_000, "clock_ms": 60_000.0} | self.urls | terms
        steady = lambda: self.now() - SINCE_BOOT_NS  # noqa: E731
        terms_said = BinanceTerms(**said)
        made = open_binance_venue(terms_said, Path(), store, self.now, PATIENCE, steady, allow)
        self.opened.append(made)
        return made

    def close(self) -> None:
        for one in self.opened:
            one.close()
        self.server.close()


@pytest.fixture
def keys_in_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BINANCE_KEY", KEY)
    monkeypatch.setenv("BINANCE_SECRET", SECRET)


@pytest.fixture
def served(keys_in_environment: None) -> Iterator[Callable[..., Served]]:
    """Makes servers, which end with the test."""
    running: list[Served] = []

    def serve(
        speed: float = 1.0, limits: RateLimits = FREE, keys: list[ApiKey] | None = None, **more: Any
    ) -> Served:
        running.append(Served(speed, limits, keys, **more))
        return running[-1]

    yield serve
    for one in running:
        one.close()
