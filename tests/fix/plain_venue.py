"""A FIX 4.4 venue with nothing but a socket: it keeps orders, says what became of them, and writes down all it hears.

It cancels nothing by itself: an order that its owner leaves behind rests here for ever.
"""

import contextlib
import hashlib
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

from tests.fix.plain import SOH, frame, parse

Fields = list[tuple[int, object]]


def proved(said: dict[int, str]) -> bytes:
    """The answer to the question whether this is a simulated exchange; b"" to any other message."""
    if said[35] != "U3":
        return b""
    digest = hashlib.sha256(
        f"a simulated exchange of tercel in the words of fix: {said[58]}".encode()
    ).hexdigest()
    head = [(34, 1), (49, "TERCEL"), (52, "20000101-00:00:00"), (56, "TERCEL")]
    return frame([(35, "U3"), *head, (58, digest)])


@dataclass
class Resting:
    """An order as it stands here."""

    name: str
    number: str
    side: str
    lots: int
    price: str
    account: str
    status: str = "0"
    ended_s: float = 0.0

    @property
    def open(self) -> bool:
        return self.status == "0"


class PlainVenue:
    """One session, that of a gate or a desk; a thread of its own serves it.

    `mute`: message types that it does not answer; `proves`: it says of itself that it is a test's, as `tercel venue
    serve` does."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.heard: list[tuple[float, dict[int, str]]] = []
        self.orders: dict[str, Resting] = {}
        self.refused: list[str] = []
        self.mute: set[str] = set()
        self.proves, self.asked = True, 0
        self.quote = ("9.99", "10.01")
        self._next_in = self._next_out = 1
        self._sent: dict[int, tuple[str, Fields]] = {}
        self._gap = False
        self._ids = 0
        self._lock = threading.RLock()
        self._over = False
        self._wire: socket.socket | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> "PlainVenue":
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        for one in (self._listener, self._wire):
            if one is not None:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)  # who waits for it wakes up
                one.close()
        self._thread.join(10)

    # -- what a test asks ---------------------------------------------------------------------------------------------
    @property
    def open(self) -> list[Resting]:
        with self._lock:
            return [order for order in self.orders.values() if order.open]

    def kinds(self, since: float = 0.0) -> list[str]:
        """Types of the messages since a moment, in order."""
        with self._lock:
            return [said[35] for at, said in self.heard if at >= since]

    def fill(self, name: str, lots: int) -> None:
        """An order trades, and is over."""
        with self._lock:
            order = self.orders[name]
            order.status = "2" if lots == order.lots else "1"
            self._report(order, "F", lots, [(32, lots), (31, order.price)])

    def cut(self) -> None:
        """The connection breaks."""
        assert self._wire is not None
        self._wire.shutdown(socket.SHUT_RDWR)

    def miss(self) -> None:
        """The last order that was heard never came, nor did what followed it."""
        with self._lock:
            self._next_in = max(int(said[34]) for _, said in self.heard if said[35] == "D")

    # -- the session --------------------------------------------------------------------------------------------------
    def _serve(self) -> None:
        while not self._over:
            try:
                wire, _ = self._listener.accept()
            except OSError:
                return
            self._wire = wire
            with contextlib.suppress(OSError):
                self._listen(wire)
            wire.close()

    def _listen(self, wire: socket.socket) -> None:
        pending, self._gap = b"", False
        while more := wire.recv(1 << 16):
            pending += more
            while (end := pending.find(b"\x0110=")) >= 0 and (
                stop := pending.find(SOH, end + 1)
            ) >= 0:
                raw, pending = pending[: stop + 1], pending[stop + 1 :]
                if answer := proved(dict(parse(raw))):
                    self.asked += 1
                    wire.sendall(answer if self.proves else b"")
                    return
                with self._lock:
                    if not self._take(dict(parse(raw))):
                        return

    def _take(self, said: dict[int, str]) -> bool:
        """Whether the session goes on."""
        kind, number = said[35], int(said[34])
        self.heard.append((time.monotonic(), said))
        if kind == "A" and said.get(141) == "Y":
            self._next_in = self._next_out = 1
            self._sent.clear()
        if kind == "4":
            self._next_in, self._gap = max(self._next_in, int(said[36])), False
            return True
        if number < self._next_in and said.get(43) != "Y":
            text = f"MsgSeqNum too low, expecting {self._next_in} but received {number}"
            self.refused.append(text)
            self._say("5", [(58, text)])
            return False
        if kind == "A":
            self._say(
                "A", [(98, 0), (108, said[108]), *([(141, "Y")] if said.get(141) == "Y" else [])]
            )
        if number > self._next_in:
            if not self._gap and kind != "A":
                self._gap = True
                self._say("2", [(7, self._next_in), (16, 0)])
            if kind == "2":
                self._repeat(int(said[7]))
            return True
        self._next_in += number == self._next_in
        return self._obey(kind, said)

    def _obey(self, kind: str, said: dict[int, str]) -> bool:
        if kind in self.mute:
            return True
        if kind == "5":
            self._say("5", [])
            return False
        if kind == "1":
            self._say("0", [(112, said[112])])
        elif kind == "2":
            self._repeat(int(said[7]))
        elif (answer := self._answers.get(kind)) is not None:
            answer(self, said)
        return True

    def _say(self, kind: str, fields: Fields, number: int = 0, head: Fields | None = None) -> None:
        now = datetime.now(UTC).strftime("%Y%m%d-%H:%M:%S.%f")[:-3]
        top = [
            (35, kind),
            (49, "VENUE"),
            (56, "DESK"),
            (34, number or self._next_out),
            (52, now),
            *(head or []),
        ]
        if not number:
            if kind not in "A0125":
                self._sent[self._next_out] = kind, fields
            self._next_out += 1
        with contextlib.suppress(OSError):
            if self._wire is not None:
                self._wire.sendall(frame([*top, *fields]))

    def _repeat(self, first: int) -> None:
        old = [(43, "Y"), (122, "20200101-00:00:00")]
        for number in [n for n in self._sent if n >= first]:
            if first < number:
                self._say("4", [(123, "Y"), (36, number)], first, old)
            self._say(*self._sent[number], number, old)
            first = number + 1
        if first < self._next_out:
            self._say("4", [(123, "Y"), (36, self._next_out)], first, old)

    # -- orders -------------------------------------------------------------------------------------------------------
    def _report(
        self, order: Resting, kind: str, cum: int = 0, more: Fields | None = None, **names: str
    ) -> None:
        self._ids += 1
        left = order.lots - cum if order.status in ("0", "1") else 0
        fields: Fields = [
            (37, order.number),
            (11, names.get("name", order.name)),
            (17, f"E{self._ids}"),
        ]
        fields += [(41, names["orig"])] if "orig" in names else []
        fields += [
            (150, kind),
            (39, order.status),
            (1, order.account),
            (55, "XYZ"),
            (54, order.side),
        ]
        fields += [(38, order.lots), (44, order.price), (14, cum), (151, left), (6, 0)]
        self._say(
            "8",
            [*fields, *(more or []), (60, datetime.now(UTC).strftime("%Y%m%d-%H:%M:%S.%f")[:-3])],
        )

    def _new(self, said: dict[int, str]) -> None:
        name = said[11]
        order = Resting(
            name, f"V{len(self.orders) + 1}", said[54], int(said[38]), said[44], said[1]
        )
        self.orders[name] = order
        self._report(order, "0")

    def _end(self, order: Resting, name: str) -> None:
        order.status, order.ended_s = "4", time.monotonic()
        self._report(order, "4", name=name, orig=order.name)

    def _cancel(self, said: dict[int, str]) -> None:
        order = self.orders.get(said[41])
        if order is not None and order.open:
            self._end(order, said[11])
        else:
            number = [(37, order.number if order else "NONE"), (11, said[11]), (41, said[41])]
            self._say("9", [*number, (39, order.status if order else "8"), (434, 1), (102, 1)])

    def _cancel_all(self, said: dict[int, str]) -> None:
        self._say("r", [(37, "M"), (11, said[11]), (530, 7), (531, 7)])
        for order in self.orders.values():
            if order.open:
                self._end(order, order.name)

    def _status(self, said: dict[int, str]) -> None:
        order = self.orders.get(said[11])
        if order is not None:
            self._report(order, "I", order.lots if order.status == "2" else 0)
        else:
            account = said.get(1, "")
            self._report(
                Resting(said[11], "NONE", said[54], 0, "0", account, "8"), "I", 0, [(103, 5)]
            )

    def _quote(self, said: dict[int, str]) -> None:
        bid, ask = self.quote
        sides = [(268, 2), (269, 0), (270, bid), (271, 500), (269, 1), (270, ask), (271, 500)]
        self._say("W", [(262, said[262]), (55, "XYZ"), *sides])

    _answers: ClassVar[dict[str, Callable[["PlainVenue", dict[int, str]], None]]] = {
        "D": _new, "F": _cancel, "q": _cancel_all, "H": _status, "V": _quote,
    }  # fmt: skip
