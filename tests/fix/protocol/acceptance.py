"""Runs the session-layer acceptance scripts of the reference engine at sessions of ours, by a clock of its own.

A script's lines: `I` a message to send, `E` one that must come, `i`/`e` a connection made or closed, by the script or
by the session; `1,` and `2,` name connections. BodyLength and CheckSum are filled in where they are not given. What
comes must have the fields of the line, in any order; times, lengths, sums and texts (58) are not compared.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from exchange.fix.arrival import IncomingConnection, index_sessions
from tercel.fix.protocol.codec import checksum, decode
from tercel.fix.protocol.message import Message, utc_text
from tercel.fix.protocol.session import FixSession
from tercel.fix.protocol.settings import SessionSettings

S = 1_000_000_000
LONGEST_S = 60
FREE = {52, 58, 60, 122}
"""Times, and texts."""
ECHOED = frozenset({"D", "d"})


@dataclass
class Line:
    link: IncomingConnection
    came: list[Message] = field(default_factory=list)
    closed: bool = False


class Script:
    """One script, in the version that it is written for or in another.

    Parameters
    ----------
    path : Path
    begin : str
    """

    def __init__(self, path: Path, begin: str = "FIX.4.4") -> None:
        self._lines = (
            path.read_text(encoding="latin-1").replace("8=FIX.4.4", f"8={begin}").splitlines()
        )
        settings = SessionSettings(
            "ISLD",
            "TW44",
            begin,
            takes=ECHOED,
            never_repeated=frozenset(),
            reset=frozenset({"disconnect"}),
            answer_s=10,
        )
        self._session = FixSession(settings)
        self._now = 1_700_000_000 * S
        self._links: dict[str, Line] = {}
        self._names: set[str] = set()

    def run(self) -> None:
        """Run it; an AssertionError says at which line it fails."""
        for number, line in enumerate(self._lines, 1):
            if line[:1] in ("I", "E", "i", "e"):
                try:
                    self._one(line)
                except AssertionError as error:
                    raise AssertionError(f"line {number}, {line[:200]!r}: {error}") from error
        for line in self._links.values():
            assert not line.came, f"{line.came[0].fields} came and was not expected"

    def connected(self, now_ns: int):
        """A connection: what is called as an :class:`IncomingConnection` is."""
        return IncomingConnection(index_sessions(self._session), now_ns)

    def _one(self, line: str) -> None:
        name, rest = (line[1:2], line[3:]) if line[2:3] == "," else ("1", line[1:])
        what = line[0]
        if what == "i" and rest.startswith("CONNECT"):
            self._links[name] = Line(self.connected(self._now))
        elif what == "i":
            self._links[name].link.disconnect(self._now)
        elif what == "I":
            link = self._links[name]
            assert not link.closed, "the connection is closed"
            self._take(link, link.link.receive(self._wire(rest), self._now))
        elif what == "e":
            link = self._links[name]
            self._wait(link, lambda: link.closed)
            assert link.closed, "the connection is not closed"
            assert not link.came, f"{link.came[0].fields} came first"
        else:
            link = self._links[name]
            self._wait(link, lambda: bool(link.came))
            assert link.came, "nothing came"
            got = link.came.pop(0)
            assert self._compared([(8, got.begin), *got.fields]) == self._compared(
                self._fields(rest)
            ), got.fields

    def _wire(self, text: str) -> bytes:
        """A line as bytes, with the times, the length and the sum that it leaves out."""

        def at(found: re.Match[str]) -> str:
            return utc_text(self._now + int(found[1] or 0) * S)

        raw = re.sub(r"<TIME([+-]\d+)?>", at, text).encode("latin-1")
        raw = raw if raw.endswith(b"\x01") else raw + b"\x01"
        if b"\x019=" not in raw:
            head, _, body = raw.partition(b"\x01")
            raw = b"%b\x019=%d\x01%b" % (head, len(re.sub(rb"(?<=\x01)10=.*", b"", body)), body)
        return raw if b"\x0110=" in raw else raw + b"10=%03d\x01" % checksum(raw)

    @staticmethod
    def _fields(text: str) -> list[tuple[int, str]]:
        return [
            (int(tag), value)
            for tag, _, value in (part.partition("=") for part in text.split("\x01") if part)
        ]

    @staticmethod
    def _compared(fields: list[tuple[int, str]]) -> list[tuple[int, str]]:
        """Fields that count; of times, only that they are there."""
        return sorted(
            (tag, "" if tag in FREE else value) for tag, value in fields if tag not in (9, 10, 58)
        )

    def _take(self, line: Line, outcome) -> None:
        """Note what left; echo orders, unless they say that they may have been sent before and were."""
        line.came += [
            decode(raw) for raw in re.findall(rb"8=FIX.*?\x0110=\d{3}\x01", outcome.data, re.DOTALL)
        ]
        line.closed |= outcome.close
        for message in outcome.messages:
            if message.kind not in ECHOED or (
                message.is_yes(97) and message.get(11) in self._names
            ):
                continue
            self._names.add(message.get(11))
            routed = {8, 9, 10, 34, 35, 43, 49, 52, 56, 122}
            body = [(tag, value) for tag, value in message.fields if tag not in routed]
            self._take(line, self._session.send(message.kind, body, self._now))

    def _wait(self, line: Line, holds) -> None:
        until = self._now + LONGEST_S * S
        while not holds() and self._now < until:
            self._now += S // 10
            self._take(line, line.link.on_time(self._now))
