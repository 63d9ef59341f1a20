"""Two sessions of ours and the connection between them, by a clock that stands still until it is moved."""

from collections.abc import Sequence

from tercel.fix.protocol.codec import Decoder, decode, encode
from tercel.fix.protocol.events import Outcome, SessionEvent
from tercel.fix.protocol.message import Message, utc_text
from tercel.fix.protocol.session import FixSession
from tercel.fix.protocol.session_store import MemoryStore
from tercel.fix.protocol.settings import SessionSettings

S = 1_000_000_000
START = 1_700_000_000 * S


def report(name: str) -> list[tuple[int, str]]:
    """The body of an execution report of 4.4."""
    return [
        *((37, "O"), (17, name), (150, "0"), (39, "0"), (55, "XYZ"), (54, "1")),
        *((151, "0"), (14, "0"), (6, "0")),
    ]


def order(name: str) -> list[tuple[int, str]]:
    return [(11, name), (55, "XYZ"), (54, "1"), (60, "20231114-22:13:20"), (38, "1"), (40, "1")]


class Side:
    """A session, and all that it ever handed out."""

    def __init__(self, settings: SessionSettings, store: MemoryStore | None = None) -> None:
        self.settings, self.store = settings, store or MemoryStore()
        self.session = FixSession(settings, self.store)
        self.messages: list[Message] = []
        self.events: list[SessionEvent] = []
        self.out = b""
        self.closed = False

    def take(self, outcome: Outcome) -> list[Message]:
        """Note what came of a call; the messages that left."""
        self.messages += outcome.messages
        self.events += outcome.events
        self.out += outcome.data
        self.closed |= outcome.close
        return [one for one in Decoder().feed(outcome.data) if isinstance(one, Message)]

    def told(self, what: str) -> list[str]:
        return [one.text for one in self.events if one.kind == what]


class Script:
    """One session of ours, and the other side written by hand."""

    def __init__(self, logged_on: bool = True, **settings: object) -> None:
        self.now = START
        settings = {"takes": None, **settings}
        self.side = Side(SessionSettings("US", "THEM", **settings))  # type: ignore[arg-type]
        self.begin = self.side.settings.begin
        self.number = 0
        self.sent = self.side.take(self.side.session.connect(self.now))
        if logged_on:
            self.sent += self.say("A", (98, "0"), (108, "30"))
            assert self.side.session.up

    def wire(
        self, kind: str, *body: tuple[int, str], number: int | None = None, **head: str
    ) -> bytes:
        """A message of the other side; `t49="X"` replaces a field of the header, "" leaves it out."""
        if number is None:
            self.number = number = self.number + 1
        fields = {34: str(number), 49: "THEM", 56: "US", 52: utc_text(self.now)}
        fields |= {int(tag[1:]): value for tag, value in head.items()}
        begin = fields.pop(8, self.begin)
        return encode(
            begin, [(35, kind), *((tag, value) for tag, value in fields.items() if value), *body]
        )

    def say(
        self, kind: str, *body: tuple[int, str], number: int | None = None, **head: str
    ) -> list[Message]:
        """The other side says something; what comes back."""
        return self.side.take(
            self.side.session.receive(self.wire(kind, *body, number=number, **head), self.now)
        )

    def repeat(self, kind: str, number: int, *body: tuple[int, str]) -> list[Message]:
        return self.say(kind, (43, "Y"), (122, utc_text(self.now)), *body, number=number)

    def wait(self, seconds: float) -> list[Message]:
        """Let time pass, by tenths of a second."""
        sent, until = [], self.now + round(seconds * S)
        while self.now < until:
            self.now += S // 10
            sent += self.side.take(self.side.session.on_time(self.now))
        return sent

    def again(self) -> None:
        """The connection is lost; both sides log on anew."""
        self.side.take(self.side.session.disconnect(self.now))
        self.side.closed = False
        self.side.take(self.side.session.connect(self.now))


class Wire:
    """Two sessions and what is under way between them."""

    def __init__(self, left: Side, right: Side) -> None:
        self.sides = (left, right)
        self.now = START
        self.old: list[tuple[int, bytes]] = []

    def connect(self) -> None:
        for side in self.sides:
            side.out, side.closed = b"", False
        for side in self.sides[::-1]:  # the acceptor first
            if side.session.connected:
                side.take(side.session.disconnect(self.now))
            side.out = b""
        for side in self.sides[::-1]:
            side.take(side.session.connect(self.now))

    def drop(self) -> None:
        """What is under way is lost."""
        for side in self.sides:
            side.out = b""
            side.take(side.session.disconnect(self.now))
            side.out = b""

    def move(self, source: int, count: int) -> None:
        """Carry some bytes over."""
        one, other = self.sides[source], self.sides[1 - source]
        data, one.out = one.out[:count], one.out[count:]
        if data:
            self.old.append((source, data))
            other.take(other.session.receive(data, self.now))

    def again(self, source: int, back: int) -> None:
        """Carry something over that was carried over before."""
        mine = [data for side, data in self.old if side == source]
        if mine:
            other = self.sides[1 - source]
            other.take(other.session.receive(mine[-1 - back % len(mine)], self.now))

    def settle(self, rounds: int = 400) -> None:
        """Connect, and carry everything over until nothing is under way and both are quiet."""
        quiet = 0
        for _ in range(rounds):
            if any(one.closed and not one.out for one in self.sides) or not all(
                one.session.connected for one in self.sides
            ):
                self.connect()
            before = sum(len(one.messages) for one in self.sides)
            while any(one.out for one in self.sides):
                for source in (0, 1):
                    self.move(source, 1 << 20)
            self.now += S
            for one in self.sides:
                one.take(one.session.on_time(self.now))
            moved = sum(len(one.messages) for one in self.sides) > before
            quiet = 0 if moved or not all(one.session.up for one in self.sides) else quiet + 1
            if quiet > 80:  # longer than two heartbeats
                return
        raise AssertionError("they do not settle")


def kinds(messages: Sequence[Message]) -> list[str]:
    return [one.kind for one in messages]


__all__ = ["START", "S", "Script", "Side", "Wire", "decode", "kinds", "order", "report"]
