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


class _Direction:
    """One direction of a connection."""

    def __init__(self, source: socket.socket, target: socket.socket, down: bool) -> None:
        self.source = source
        self.target = target
        self.down = down
        self.raw, self.outgoing, self.delayed = bytearray(), bytearray(), b""

    def message(self) -> bytes:
        """The next whole FIX message, b"" while there is none."""
        end = self.raw.find(b"\x0110=")
        end = -1 if end < 0 else self.raw.find(b"\x01", end + 4)
        if end < 0:
            return b""
        message = bytes(self.raw[: end + 1])
        del self.raw[: end + 1]
        return message


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
        self._listener = listener
        self._target = target
        self._control = control
        self._random = random.Random(seed)
        self._mode, self._once = "pass", list[str]()
        self._pairs: list[tuple[_Direction, _Direction]] = []
        self._selector = selectors.DefaultSelector()
        for sock in (listener, control):
            sock.setblocking(False)
            self._selector.register(sock, selectors.EVENT_READ)

    def run(self, stop: Callable[[], bool]) -> None:
        """Until `stop()`."""
        while not stop():
            ready = self._selector.select(0.02)
            for key, _ in ready:
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj is self._control:
                    self._apply_command(self._control.recv(64).decode())
            for pair in list(self._pairs):
                self._forward(pair)
            if self._mode in LIMPS:
                time.sleep(_PAUSE_S)

    def _apply_command(self, word: str) -> None:
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
        for sock in (near, far):
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(sock, selectors.EVENT_READ)
        self._pairs.append((_Direction(near, far, False), _Direction(far, near, True)))

    def _forward(self, pair: tuple[_Direction, _Direction]) -> None:
        if self._mode in ("hole", "stall"):
            time.sleep(_PAUSE_S / 4)
            return
        for direction in pair:
            if not self._move(direction):
                self._end(pair, False)
                return

    def _move(self, direction: _Direction) -> bool:
        """Read, harm, write; False when the connection is over."""
        limps = self._mode == "slow" and direction.down
        with suppress(BlockingIOError):
            try:
                data = direction.source.recv(_SLOW_BYTES if limps else _CHUNK)
            except BlockingIOError:
                data = None
            except OSError:
                return False
            if data == b"":
                return False
            direction.raw += data or b""
        while message := direction.message():
            direction.outgoing += self._distort(direction, message)
        if not direction.outgoing:
            return True
        some = (
            self._random.randint(1, len(direction.outgoing))
            if self._mode == "chop"
            else len(direction.outgoing)
        )
        try:
            del direction.outgoing[: direction.target.send(direction.outgoing[:some])]
        except BlockingIOError:
            pass
        except OSError:
            return False
        return True

    def _distort(self, direction: _Direction, message: bytes) -> bytes:
        if direction.delayed:
            held = direction.delayed
            direction.delayed = b""
            return message + held
        if (
            self._mode == SILENT
            and direction.down
            and any(kind in message[:40] for kind in _MARKET)
        ):
            return b""
        if not self._once or b"\x0135=A\x01" in message:
            return message
        harm = self._once.pop(0)
        if harm == "drop":
            return b""
        if harm == "double":
            return message + message
        if harm == "swap":
            direction.delayed = message
            return b""
        position = self._random.randrange(len(message) // 2, len(message) - 8)
        return message[:position] + bytes([message[position] ^ 1]) + message[position + 1 :]

    def _end_all(self, hard: bool) -> None:
        for pair in list(self._pairs):
            self._end(pair, hard)

    def _end(self, pair: tuple[_Direction, _Direction], hard: bool) -> None:
        self._pairs.remove(pair)
        for sock in (pair[0].source, pair[0].target):
            self._selector.unregister(sock)
            if hard:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NOW_CLOSE)
            sock.close()
