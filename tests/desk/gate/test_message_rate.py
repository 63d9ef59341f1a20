"""Messages of a real gate at its venue, beside busy processes: never more in any window than the limit says."""

import logging
import subprocess
import sys
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest
from tests.desk.gate.at_plain_venue import Place
from tests.desk.trading.desk_of_two import WIDE
from tests.waiting import until

from tercel.core.orders import NewOrder, Tif

MOST, BURST, BUSY = 25, 500, 4
_log = logging.getLogger(__name__)


def most_within(times_s: list[float], window_s: float) -> int:
    """Most times in any window of that length, by brute force."""
    return max(sum(t - window_s < each <= t for each in times_s) for t in times_s)


def sending_time_s(said: dict[int, str]) -> float:
    return datetime.strptime(said[52], "%Y%m%d-%H:%M:%S.%f").replace(tzinfo=UTC).timestamp()


@pytest.mark.long
def test_bursts_of_orders_beside_busy_processes(tmp_path):
    with ExitStack() as stack:
        place = Place(tmp_path, stack)
        tight = WIDE.replace("messages = 20000", f"messages = {MOST}")
        (tmp_path / "limits.toml").write_text(tight)
        place.start()
        for _ in range(BUSY):
            busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            stack.callback(busy.wait)
            stack.callback(busy.kill)
        place.session.announce("p", "XYZ", "ann", 1, 10_000)
        sent = 0

        def heard():
            return [(at, said) for at, said in place.venue.heard if said[35] == "D"]

        def burst() -> bool:
            nonlocal sent
            for _ in range(BURST if sent < 4 * BURST else 1):
                sent += 1
                words = f"p.{sent}", "XYZ", 1, 1, 990 - sent % 9, Tif.DAY, "ann", "p"
                place.session.send(NewOrder(*words, place.session.now_ns))
            place.step()
            return len(heard()) > 2 * MOST

        until(burst, what="orders of several seconds")
        orders = heard()
        written = most_within([sending_time_s(said) for _, said in orders], 1.0)
        arrived = most_within([at for at, _ in orders], 1.0)
        counts = len(orders), MOST, written, arrived
        _log.info("%d orders; limit %d, most in one second: %d written, %d arrived", *counts)
        assert written <= MOST
