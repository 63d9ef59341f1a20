"""`tercel gate` in a process of its own, before a venue that has nothing of the package."""

import signal
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from tests import forked
from tests.desk.trading.desk_of_two import WIDE
from tests.fix.plain_venue import PlainVenue
from tests.program import COMMAND
from tests.waiting import until

from certify.faults.disk import SmallDisk
from tercel.core.errors import TercelError
from tercel.core.orders import MarketRows, NewOrder, Tif, VenueEvent
from tercel.venues.wire import RemoteVenue

SIZE = 3 << 20
LISTENS = "a gate to fix:"
BAR_S = 5.0
"""From the first message that a full disk does not let be written, to the end of the last order."""
PROFILE = """base = "generic-44"
[session]
sender = "DESK"
target = "VENUE"
host = "127.0.0.1"
port = {port}
[orders]
mass_status = false
mass_cancel = "{mass}"
[[symbol]]
name = "XYZ"
tick = 0.01
lot = 1
currency = "USD"
"""
GATE = """[gate]
venue = "fix:venue.toml"
accounts = ["ann", "bob"]
limits = "limits.toml"
folder = "state"
silence_s = 60.0
heartbeat_s = {heartbeat_s}
"""


class Place:
    """A gate's folder with its small disks, and the venue that it trades at."""

    def __init__(
        self, folder: Path, stack: ExitStack, mass: str = "none", heartbeat_s: float = 60.0
    ) -> None:
        self.folder, self._stack = folder, stack
        self.venue = stack.enter_context(PlainVenue())
        folder.mkdir(exist_ok=True)
        (folder / "venue.toml").write_text(PROFILE.format(port=self.venue.port, mass=mass))
        (folder / "limits.toml").write_text(WIDE)
        (folder / "gate.toml").write_text(GATE.format(heartbeat_s=heartbeat_s))
        self.log = folder / "gate.log"
        self.gate: forked.Popen | None = None
        self.more: list[str] = []
        self._orders = 0

    def disk(self, under: str, files: int = 0) -> SmallDisk:
        try:
            made = SmallDisk(self.folder / under, SIZE, files)
        except OSError as error:
            pytest.skip(f"no file system may be mounted here: {error.strerror}")
        self._stack.callback(made.close)
        return made

    def start(self) -> None:
        """Start the gate, and a session at it."""
        before = self.said.count(LISTENS) if self.log.exists() else 0
        with self.log.open("a") as log:
            words = [*COMMAND, "gate", str(self.folder / "gate.toml"), *self.more]
            self.gate = forked.Popen(words, stdout=forked.PIPE, stderr=log, text=True)
        self._stack.callback(self._end, self.gate)
        until(lambda: self.said.count(LISTENS) > before or self.code() is not None, what="a gate")
        assert self.code() is None, self.said
        self.trade_through(RemoteVenue(str(self.folder / "gate.sock"), ("ann", "bob")))

    def trade_through(self, session: RemoteVenue) -> None:
        """Trade through a session of a gate, once it has a market."""
        self.session = session
        self.session.subscribe("XYZ")
        until(lambda: any(isinstance(event, MarketRows) for event in self.step()), what="a market")

    @staticmethod
    def _end(gate: forked.Popen) -> None:
        if gate.poll() is None:
            gate.kill()
        gate.wait()

    def code(self) -> int | None:
        """How it ended."""
        assert self.gate is not None
        return self.gate.poll()

    @property
    def said(self) -> str:
        return self.log.read_text()

    def step(self) -> list[VenueEvent]:
        return self.session.step(self.session.now_ns + 10_000_000)

    def order(self, account: str = "ann", price: int = 990) -> None:
        self._orders += 1
        name = f"p{self._orders}"
        self.session.announce(name, "XYZ", account, 1, 100)
        now = self.session.now_ns
        self.session.send(NewOrder(f"{name}.1", "XYZ", 1, 10, price, Tif.DAY, account, name, now))

    def rest(self, orders: int = 3) -> None:
        """Orders that rest at the venue."""
        wanted = len(self.venue.open) + orders
        for n in range(orders):
            self.order(("ann", "bob")[n % 2], 990 - n)

        def there() -> bool:
            self.step()
            return len(self.venue.open) == wanted

        until(there, what="orders at the venue")

    def trade_on(self) -> None:
        """Go on until the gate has ended."""

        def over() -> bool:
            with suppress(TercelError, OSError):
                self.order()
                self.step()
            return self.code() is not None

        until(over, what="the end of the gate")

    def stop(self) -> int | None:
        """Ctrl-C; how it ended."""
        assert self.gate is not None
        self.gate.send_signal(signal.SIGINT)
        self.gate.wait()
        return self.code()

    def fell(self, orders: int = 3) -> float:
        """See that nothing is open, and that what is said of it is so; how long it took from the last order on."""
        assert self.venue.open == []
        assert self.code() == 2, self.said
        assert "Traceback" not in self.said, self.said
        assert all(word in self.said for word in ("expected", "received", "to go on")), self.said
        ended = [order.ended_s for order in self.venue.orders.values() if order.status == "4"]
        over = len([order for order in self.venue.orders.values() if order.status in "24"])
        assert over >= orders
        assert f"the venue has ended {over} of {over} orders that were open" in self.said, self.said
        assert "cancels sent for ann" in self.said, self.said
        assert "5" in self.venue.kinds(min(ended)), "a logout after the cancels"
        cancels = [at for at, said in self.venue.heard if said[35] in "Fq"]
        assert max(ended) - min(cancels) < BAR_S
        return max(ended) - self.last_write_s()

    def last_write_s(self) -> float:
        """When the gate last sent what was written before."""
        return max(at for at, said in self.venue.heard if said[35] == "D")

    def goes_on(self) -> None:
        """With room on its disk it starts, its session is whole, and it trades."""
        before, refused = len(self.venue.heard), list(self.venue.refused)
        self.log.write_text("")
        self.start()
        self.rest(2)
        assert self.venue.refused == refused
        assert [
            said[141] for _, said in self.venue.heard[before:] if said[35] == "A" and 141 in said
        ] == []
        assert self.stop() == 0, self.said
        assert "every order is over" in self.said
        assert self.venue.open == []
