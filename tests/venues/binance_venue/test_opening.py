"""`open_binance_venue` and `open_ccxt_venue` close what they opened, whichever step fails."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.fix.test_opening import open_files
from tests.venues.binance_venue.conftest import Served
from tests.venues.ccxt_venue.conftest import ByCcxt
from tests.waiting import until

from tercel.core.errors import VenueError
from tercel.venues.binance_venue import opening
from tercel.venues.binance_venue.venue import BinanceVenue

STEPS = [
    (opening, "OrderMemory"),
    (opening, "measure_clock"),
    (opening, "check_logon"),
    (opening, "load_history"),
    (opening, "read_account"),
    (BinanceVenue, "log_on"),
]


@pytest.mark.parametrize("by", ["binance", "ccxt"])
def test_what_was_opened_is_closed_when_a_step_fails(
    by: str, served: Callable[..., Served], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = served()
    maker: Any = ByCcxt(one) if by == "ccxt" else one
    maker.venue().close()  # what a first call loads for good
    before = open_files(), threading.active_count()
    for number, (home, name) in enumerate(STEPS):
        with monkeypatch.context() as patch:

            def fail(*_: Any, **__: Any) -> None:
                raise VenueError("a step", "a failure", "try again")

            patch.setattr(home, name, fail)
            with pytest.raises(VenueError, match="a failure"):
                maker.venue(store=tmp_path / f"{number}")
        until(lambda: open_files() <= before[0], seconds=20.0, what=f"files {name}")
        assert threading.active_count() == before[1], name
