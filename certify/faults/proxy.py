"""A TCP link between a gate and a venue that fails on request: whole connections, bytes, or single FIX messages."""

from __future__ import annotations

import random
import selectors
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

SHUT: Final = ("cut", "reset", "hole", "stall")
"""The link is dead: closed; reset; open with nothing that passes, then reset; the same, but what waits passes then."""
LIMPS: Final = ("slow", "chop")
"""The link is bad: the gate gets a few bytes at a time; both sides get their bytes in pieces of any size."""
SILENT: Final = "silent"
"""Market data do not pass, all else does."""
ONCE: Final = ("garble", "drop", "double", "swap")
"""What befalls the next message."""
_MARKET: Final = (b"\x0135=W\x01", b"\x0135=X\x01")
_CHUNK: Final = 1 << 16
_SLOW_BYTES: Final = 200
_PAUSE_S: Final = 0.02
_NOW_CLOSE: Final = struct.pack("ii", 1, 0)


class _Way:
    """One direction of a connection."""

    def __init__(self, source: socket.socket, target: socket.socket, down: bool) -> None:
        self.source, self.target, self.down = source, target, down
        self.raw, self.out, self.held = bytearray(), bytearray(), b""

    def message(self) -> bytes:
        """The next whole FIX message, b"" while there is none."""
        end = self.raw.find(b"\x0110=")
        end = -1 if end < 0 else self.raw.find(b"\x01", end + 4)
        if end < 0:
            return b""
        found = bytes(self.raw[: end + 1])
        del self.raw[: end + 1]
        return found


class Proxy:
    """A listener whose connections go on to a venue.

    Parameters
    ----------
    target : int
        Port of the venue, on this machine.
    control : socket.socket
        A datagram names what is to happen: "pass", `SILENT`, or one of `SHUT`, `LIMPS`, `ONCE`.
    seed : int
        Of where bytes are cut.
    """

    def __init__(
        self, listener: socket.socket, target: int, control: socket.socket, seed: int
    ) -> None:
        self._listener, self._target, self._control = listener, target, control
        self._random = random.Random(seed)
        self._mode, self._once = "pass", list[str]()
        self._pairs: list[tuple[_Way, _Way]] = []
        self._selector = selectors.DefaultSelector()
        for one in (listener, control):
            one.setblocking(False)
            self._selector.register(one, selectors.EVENT_READ)

    def run(self, stop: Callable[[], bool]) -> None:
        """Until `stop()`."""
        while not stop():
            found = self._selector.select(0.02)
            for key, _ in found:
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj is self._control:
                    self._obey(self._control.recv(64).decode())
            for pair in list(self._pairs):
                self._forward(pair)
            if self._mode in LIMPS:
                time.sleep(_PAUSE_S)

    def _obey(self, word: str) -> None:
        if word in ONCE:
            self._once.append(word)
            return
        if self._mode == "hole" or word in ("cut", "reset"):
            self._end_all(word != "cut")
        self._mode = word
        self._once.clear()

    def _accept(self) -> None:
        try:
            near, _ = self._listener.accept()
        except OSError:
            return
        if self._mode in ("cut", "reset"):
            near.close()
            return
        try:
            far = socket.create_connection(("127.0.0.1", self._target), 1.0)
        except OSError:
            near.close()
            return
        for one in (near, far):
            one.setblocking(False)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(one, selectors.EVENT_READ)
        self._pairs.append((_Way(near, far, False), _Way(far, near, True)))

    def _forward(self, pair: tuple[_Way, _Way]) -> None:
        if self._mode in ("hole", "stall"):
            time.sleep(_PAUSE_S / 4)
            return
        for way in pair:
            if not self._move(way):
                self._end(pair, False)
                return

    def _move(self, way: _Way) -> bool:
        """Read, harm, write; False when the connection is over."""
        limps = self._mode == "slow" and way.down
        with suppress(BlockingIOError):
            try:
                data = way.source.recv(_SLOW_BYTES if limps else _CHUNK)
            except BlockingIOError:
                data = None
            except OSError:
                return False
            if data == b"":
                return False
            way.raw += data or b""
        while message := way.message():
            way.out += self._harmed(way, message)
        if not way.out:
            return True
        some = self._random.randint(1, len(way.out)) if self._mode == "chop" else len(way.out)
        try:
            del way.out[: way.target.send(way.out[:some])]
        except BlockingIOError:
            pass
        except OSError:
            return False
        return True

    def _harmed(self, way: _Way, message: bytes) -> bytes:
        if way.held:
            held, way.held = way.held, b""
            return message + held
        if self._mode == SILENT and way.down and any(kind in message[:40] for kind in _MARKET):
            return b""
        if not self._once or b"\x0135=A\x01" in message:
            return message
        what = self._once.pop(0)
        if what == "drop":
            return b""
        if what == "double":
            return message + message
        if what == "swap":
            way.held = message
            return b""
        at = self._random.randrange(len(message) // 2, len(message) - 8)
        return message[:at] + bytes([message[at] ^ 1]) + message[at + 1 :]

    def _end_all(self, hard: bool) -> None:
        for pair in list(self._pairs):
            self._end(pair, hard)

    def _end(self, pair: tuple[_Way, _Way], hard: bool) -> None:
        self._pairs.remove(pair)
        for one in (pair[0].source, pair[0].target):
            self._selector.unregister(one)
            if hard:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NOW_CLOSE)
            one.close()
