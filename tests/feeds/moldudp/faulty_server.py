"""A MoldUDP64 server on this machine that plays messages badly: packets lost, doubled and out of order, by a seed.

It stands for a feed in tests: every message can be had again from its request server, whose answers get lost as well.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tercel.feeds.moldudp.sequencer import END, HEAD, packet, read_header, session_of

MOST_BYTES = 1_400
"""Payload that fits an Ethernet frame with room for its headers."""


def end_of_session(session: bytes, sequence: int) -> bytes:
    """The packet that ends a session; `sequence` is the number after the last."""
    return HEAD.pack(session_of(session), sequence, END)


@dataclass(frozen=True)
class Faults:
    """Shares of packets that are lost, doubled, held back behind the next; of answers that are lost."""

    lost: float = 0.0
    doubled: float = 0.0
    late: float = 0.0
    answers_lost: float = 0.0


def packets_of(session: bytes, messages: Sequence[bytes], most: int = MOST_BYTES) -> list[bytes]:
    """All messages in packets as full as they get."""
    found, batch, first, size = [], list[bytes](), 1, 0
    for number, message in enumerate(messages, start=1):
        if batch and size + 2 + len(message) > most:
            found.append(packet(session, first, batch))
            batch, first, size = [], number, 0
        batch.append(message)
        size += 2 + len(message)
    return [*found, packet(session, first, batch)]


def split_file(data: bytes) -> list[bytes]:
    """The messages of an ITCH file, without their lengths."""
    found = []
    at = 0
    while at < len(data):
        stop = at + 2 + int.from_bytes(data[at : at + 2], "big")
        found.append(data[at + 2 : stop])
        at = stop
    return found


class FaultyServer:
    """Plays messages to an address in a thread; a second thread answers requests.

    Parameters
    ----------
    messages : sequence of bytes
        Without their lengths.
    target : (str, int)
        Where to.
    packets_per_s : float
        Pace.
    faults : Faults
        What goes wrong.
    seed : int
        When it does.
    """

    def __init__(
        self, messages: Sequence[bytes], target: tuple[str, int], packets_per_s: float = 2_000.0,
        faults: Faults = Faults(), seed: int = 1, session: bytes = b"TEST000001",
    ) -> None:  # fmt: skip
        self.messages = list(messages)
        self.session = session
        self.answered = 0
        self._target = target
        self._pace = packets_per_s
        self._faults = faults
        self._rng = np.random.default_rng(seed)
        self._stop = threading.Event()
        self._out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._requests = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._requests.bind(("127.0.0.1", 0))
        self._requests.settimeout(0.05)
        self._threads = [
            threading.Thread(target=t, daemon=True) for t in (self._play, self._answer)
        ]

    @property
    def rewinder(self) -> tuple[str, int]:
        """Address of the request server."""
        host, port = self._requests.getsockname()
        return host, port

    def __enter__(self) -> FaultyServer:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._out.close()
        self._requests.close()

    def _send(self, data: bytes) -> None:
        try:
            self._out.sendto(data, self._target)
        except OSError:  # nobody listens at the moment
            return

    def _play(self) -> None:
        f, rng = self._faults, self._rng
        kept: bytes | None = None
        began = time.monotonic()
        for number, data in enumerate(packets_of(self.session, self.messages)):
            if self._stop.is_set():
                return
            draws = rng.random(3)
            if draws[0] >= f.lost:
                if draws[1] < f.late and kept is None:
                    kept = data
                else:
                    self._send(data)
                    if draws[2] < f.doubled:
                        self._send(data)
                    if kept is not None:
                        self._send(kept)
                        kept = None
            ahead = began + (number + 1) / self._pace - time.monotonic()
            if ahead > 0:
                time.sleep(ahead)
        self._send(end_of_session(self.session, len(self.messages) + 1))
        while not self._stop.wait(0.05):
            self._send(end_of_session(self.session, len(self.messages) + 1))

    def _answer(self) -> None:
        rng = np.random.default_rng(99)
        while not self._stop.is_set():
            try:
                data, who = self._requests.recvfrom(100)
            except TimeoutError:
                continue
            head = read_header(data)
            if head is None or head.session != self.session or len(data) != HEAD.size:
                continue
            first = head.sequence - 1
            batch, size = [], 0
            for message in self.messages[first : first + head.messages]:
                if size + 2 + len(message) > MOST_BYTES:
                    break
                batch.append(message)
                size += 2 + len(message)
            if batch and rng.random() >= self._faults.answers_lost:
                self.answered += 1
                self._requests.sendto(packet(self.session, head.sequence, batch), who)
