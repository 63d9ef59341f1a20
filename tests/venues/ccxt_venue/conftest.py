"""Venues by ccxt at our own server."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.venues.binance_venue.conftest import (
    PATIENCE,
    SINCE_BOOT_NS,
    Allow,
    Served,
    keys_in_environment,
    served,
)

from tercel.venues.ccxt_venue.opening import open_ccxt_venue
from tercel.venues.ccxt_venue.terms import CcxtTerms
from tercel.venues.ccxt_venue.venue import CcxtVenue

__all__ = ["keys_in_environment", "served"]


def urls_at(server: Any) -> dict[str, str]:
    """ccxt's names of the URLs of a server of ours."""
    rest = dict.fromkeys(("public", "private"), f"{server.url}/api/v3")
    streams = {"ws.spot": f"{server.ws_url}/ws", "ws.ws-api.spot": server.ws_api_url}
    return rest | {"sapi": f"{server.url}/sapi/v1"} | streams


class ByCcxt:
    """Venues by ccxt at a server."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.opened: list[CcxtVenue] = []

    def venue(self, store: Path | None = None, allow: Allow = str, **terms: Any) -> CcxtVenue:
        said = {
            "recv_window_ms": 60_000,
            "clock_ms": 60_000.0,
            "urls": urls_at(self.served.server),
        } | terms
        now = self.served.now
        steady = lambda: now() - SINCE_BOOT_NS  # noqa: E731
        made = open_ccxt_venue(
            "binance", CcxtTerms(**said), Path(), store, now, PATIENCE, steady, allow
        )
        self.opened.append(made)
        return made


@pytest.fixture
def by_ccxt(served: Callable[..., Served]) -> Iterator[Callable[..., ByCcxt]]:
    """Makes servers with venues by ccxt, which end with the test."""
    made: list[ByCcxt] = []

    def serve(**told: Any) -> ByCcxt:
        made.append(ByCcxt(served(**told)))
        return made[-1]

    yield serve
    for one in made:
        for venue in one.opened:
            venue.close()
