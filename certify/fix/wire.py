"""FIX by the letter of the standard and a socket: the counterparty of certification.

It shares no code with a session: it frames, reads, numbers and checks by itself. An error of the codec under test is
therefore seen, not shared.
"""

import socket
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

from certify.fix.case import MissedError, expect

SOH: Final = b"\x01"
_TAIL: Final = 7
_CHUNK: Final = 1 << 20
PATIENCE_S: Final = 10.0
"""How long anything is waited for; what is there is taken at once."""
Pairs = Sequence[tuple[int, str]]


def stamp(ns: int) -> str:
    """SendingTime of a moment, ns since 1970.

    >>> stamp(1_700_000_000_123_000_000)
    '20231114-22:13:20.123'
    """
    seconds, rest = divmod(ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y%m%d-%H:%M:%S}.{rest // 1_000_000:03d}"


def frame(
    begin: str, fields: Pairs, length: int | None = None, checksum: int | None = None
) -> bytes:
    """A message's bytes; BodyLength and CheckSum are right unless they are given.

    >>> frame("FIX.4.4", [(35, "0"), (34, "2")])
    b'8=FIX.4.4\\x019=10\\x0135=0\\x0134=2\\x0110=166\\x01'
    """
    body = b"".join(f"{tag}={value}".encode("latin-1") + SOH for tag, value in fields)
    head = (
        f"8={begin}".encode()
        + SOH
        + f"9={len(body) if length is None else length}".encode()
        + SOH
        + body
    )
    return head + f"10={sum(head) % 256 if checksum is None else checksum:03d}".encode() + SOH


class Heard:
    """One message that came.

    >>> said = Heard(frame("FIX.4.4", [(35, "0"), (49, "A"), (56, "B"), (34, "2"), (52, "20231114-22:13:20")]))
    >>> said.kind, said.number, said.get(112), said.again
    ('0', 2, '', False)

    Raises
    ------
    MissedError
        When its frame is not as the standard has it.
    """

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        parts = [part.partition(b"=") for part in raw.split(SOH)[:-1]]
        self.fields: Pairs = [
            (int(tag), value.decode("latin-1")) for tag, _, value in parts if tag.isdigit()
        ]
        expect([tag for tag, _ in self.fields[:3]], [8, 9, 35], "the first three fields")
        start = raw.index(b"\x0135=") + 1
        end = len(raw) - _TAIL
        expect(int(self.get(9)), end - start, f"BodyLength of 35={self.kind}")
        expect(
            raw[end:],
            f"10={sum(raw[:end]) % 256:03d}".encode() + SOH,
            f"CheckSum of 35={self.kind}",
        )
        missing = [tag for tag in (34, 49, 52, 56) if not self.get(tag)]
        expect(missing, [], f"header fields that 35={self.kind} lacks")

    def get(self, tag: int) -> str:
        """The first value of a tag; "" where there is none."""
        return next((value for field_tag, value in self.fields if field_tag == tag), "")

    @property
    def kind(self) -> str:
        """MsgType."""
        return self.get(35)

    @property
    def number(self) -> int:
        """MsgSeqNum."""
        return int(self.get(34))

    @property
    def again(self) -> bool:
        """PossDupFlag."""
        return self.get(43) == "Y"

    def __repr__(self) -> str:
        return f"35={self.kind} 34={self.number}" + (" 43=Y" if self.again else "")


class WireLog:
    """What both sides said, by number, across connections; it begins anew where the numbers do."""

    def __init__(self) -> None:
        self.number = self.expects = 1
        """What this side sends next, and what it expects next."""
        self.first: dict[int, bytes] = {}
        """Messages that came for the first time, by number."""
        self.repeated: list[Heard] = []
        self.lenient = False
        """Whether a Logon may show that messages were missed; they are then in `missed`, first and last."""
        self.missed: tuple[int, int] | None = None

    def begin(self) -> None:
        """A new session: both sides begin at 1."""
        self.number = self.expects = 1
        self.first.clear()
        self.repeated.clear()

    def take(self, message: Heard) -> None:
        """Note a message, and see that its number is the one that is due.

        Raises
        ------
        MissedError
            When it is not.
        """
        if message.kind == "A" and message.get(141) == "Y" and not message.again:
            self.first.clear()
            self.repeated.clear()
            self.expects = 1
        if message.again:
            self.repeated.append(message)
            if message.kind == "4" and message.number == self.expects:
                self.expects = int(message.get(36))
            return
        if message.kind == "4" and message.get(123) != "Y":
            self.expects = int(message.get(36))
            return
        if self.lenient and message.kind == "A" and message.number > self.expects:
            self.missed = (self.expects, message.number - 1)
            self.expects = message.number
        expect(message.number, self.expects, f"MsgSeqNum of 35={message.kind}")
        self.first[message.number] = message.raw
        self.expects += 1


class Peer:
    """One connection of the counterparty.

    Parameters
    ----------
    sock : socket.socket
    begin : str
    names : (str, str)
        Its own CompID and the other's.
    log : WireLog
    now_ns : callable
        The time that it dates with.
    turn : callable
        Lets the system under test work; called while it waits.
    """

    def __init__(
        self,
        sock: socket.socket | ssl.SSLSocket,
        begin: str,
        names: tuple[str, str],
        log: WireLog,
        now_ns: Callable[[], int],
        turn: Callable[[], None],
    ) -> None:
        sock.settimeout(0.0)
        self.socket = sock
        self.begin = begin
        self.names = names
        self.log = log
        self._now_ns = now_ns
        self.turn = turn
        self._bytes, self._inbox = b"", list[Heard]()
        self.heard: list[Heard] = []
        """All that ever came."""
        self._syncs = 0
        self.ended = False
        self.strict = True
        """Whether the numbers that come are held against the log."""
        self.rounds = 1
        """How often it is asked whether it is there; twice where its application works beside its session."""
        self.head: Pairs = ()
        """Further fields of every header."""

    # -- out ----------------------------------------------------------------------------------------------------------
    def encode_message(
        self, kind: str, fields: Pairs = (), number: int | None = None, **how: Any
    ) -> bytes:
        """Bytes of a message; `how`: head, when (ns), begin, names, length."""
        sender, target = how.get("names", self.names)
        used = self.log.number if number is None else number
        all_fields = [
            (35, kind),
            (49, sender),
            (56, target),
            (34, str(used)),
            (52, stamp(how.get("when", self._now_ns()))),
        ]
        all_fields += [*self.head, *how.get("head", ()), *fields]
        return frame(how.get("begin", self.begin), all_fields, how.get("length"))

    def say(self, kind: str, fields: Pairs = (), number: int | None = None, **how: Any) -> int:
        """Send a message; its number. Without one of its own it takes the next."""
        used = self.log.number if number is None else number
        self.raw(self.encode_message(kind, fields, number, **how))
        self.log.number += number is None
        return used

    def repeat(self, kind: str, number: int, fields: Pairs, first_ns: int | None = None) -> None:
        """Send a message once more, marked."""
        first = stamp(self._now_ns() if first_ns is None else first_ns)
        self.say(kind, fields, number, head=[(43, "Y"), (122, first)])

    def fill(self, first: int, new: int) -> None:
        """Tell that there is nothing from one number up to another."""
        self.repeat("4", first, [(123, "Y"), (36, str(new))])

    def raw(self, data: bytes) -> None:
        """Send bytes, the other side working meanwhile."""
        until = time.monotonic() + PATIENCE_S
        view = memoryview(data)
        while view and time.monotonic() < until:
            try:
                view = view[self.socket.send(view) :]
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                self.turn()
            except OSError:  # closed there: whoever waits for an answer sees it
                return
        if view:
            raise MissedError(f"the other side took none of {len(view)} bytes for {PATIENCE_S:g} s")

    # -- in -----------------------------------------------------------------------------------------------------------
    def poll(self) -> None:
        """Let the other side work, and take what came."""
        self.turn()
        while not self.ended:
            try:
                part = self.socket.recv(_CHUNK)
            except (BlockingIOError, ssl.SSLWantReadError):
                break
            except OSError:
                part = b""
            self.ended = not part
            self._bytes += part
        while (stop := self._message_length()) > 0:
            raw = self._bytes[:stop]
            self._bytes = self._bytes[stop:]
            message = Heard(raw)
            if self.strict:
                self.log.take(message)
            self._inbox.append(message)
            self.heard.append(message)

    def _message_length(self) -> int:
        """Length of the first message, by its BodyLength; 0 while it is not whole."""
        head = self._bytes.split(SOH, 2)
        if len(head) < 3:
            return 0
        if not head[0].startswith(b"8=FIX") or not head[1].startswith(b"9="):
            raise MissedError(f"bytes that are no message: {self._bytes[:40]!r}")
        stop = len(head[0]) + len(head[1]) + 2 + int(head[1][2:]) + _TAIL
        return stop if stop <= len(self._bytes) else 0

    def hear(self, *kinds: str, patience_s: float | None = None) -> Heard:
        """The next message, which must be of these kinds.

        Raises
        ------
        MissedError
            When the connection ends, or nothing or something else comes.
        """
        until = time.monotonic() + (PATIENCE_S if patience_s is None else patience_s)
        while not self._inbox:
            self.poll()
            if not self._inbox and (self.ended or time.monotonic() > until):
                received = "the end of the connection" if self.ended else "nothing"
                raise MissedError(
                    f"expected 35={' or '.join(kinds) or 'anything'}; received {received}"
                )
        message = self._inbox.pop(0)
        if kinds and message.kind not in kinds:
            raise MissedError(
                f"expected 35={' or '.join(kinds)}; received {message} {message.get(58)}"
            )
        return message

    def find(self, *kinds: str, patience_s: float | None = None) -> Heard:
        """The next message of these kinds; others are passed over."""
        while (message := self.hear(patience_s=patience_s)).kind not in kinds:
            pass
        return message

    def sync(self, after: bytes = b"") -> list[Heard]:
        """Ask whether the other side is there, in one write with `after`; all that it said before its answer."""
        heard = []
        for _ in range(self.rounds):
            self._syncs += 1
            self.raw(after + self.encode_message("1", [(112, f"sync{self._syncs}")]))
            self.log.number += 1
            after = b""
            heard += self.until_beat(f"sync{self._syncs}")
        return heard

    def until_beat(self, name: str) -> list[Heard]:
        """All that came before the Heartbeat that answers a TestRequest."""
        before = []
        while (message := self.hear()).kind != "0" or message.get(112) != name:
            before.append(message)
        return before

    def waiting(self, enough: Callable[[list[Heard]], bool] = lambda _: True) -> list[Heard]:
        """All that came and was not heard yet, once it is enough.

        Raises
        ------
        MissedError
            When it is not in time.
        """
        until = time.monotonic() + PATIENCE_S
        messages = list[Heard]()
        while True:
            self.poll()
            messages = messages + self._inbox
            self._inbox = []
            if enough(messages):
                return messages
            if self.ended or time.monotonic() > until:
                raise MissedError(f"not enough: {messages}")

    def over(self) -> bool:
        """Whether the other side has closed the connection, or said that it will."""
        self.poll()
        return self.ended or any(message.kind == "5" for message in self.heard)

    def end(self, patience_s: float = PATIENCE_S) -> list[Heard]:
        """Wait until the other side closes; what it said before.

        Raises
        ------
        MissedError
            When it does not.
        """
        until = time.monotonic() + patience_s
        while not self.ended:
            self.poll()
            if time.monotonic() > until:
                raise MissedError("the connection is not closed")
        messages = self._inbox
        self._inbox = []
        return messages

    def close(self) -> None:
        """Read what is there, drop the connection, and let the other side see it."""
        self.poll()
        with suppress(OSError):
            self.socket.close()
        for _ in range(3):
            self.turn()
