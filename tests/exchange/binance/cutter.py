"""A relay that cuts every connection now and then: `python cutter.py TARGET_PORT PERIOD_S PORT`.

It says its port, relays bytes as they are, and breaks all connections about every so many seconds, without a word and
in the middle of whatever goes over them; for a second it takes no new ones. At Ctrl-C it prints as JSON how often it
cut, how many connections, and which error codes went by.
"""

import asyncio
import json
import random
import re
import signal
import sys
from collections import Counter
from contextlib import suppress

CODE = re.compile(rb'"code":(-[0-9]+)')
CLOSED_S = 1.0


class Cutter:
    """Connections between bots and a port."""

    def __init__(self, target: int, period_s: float) -> None:
        self.target, self.period_s = target, period_s
        self.told: Counter[str] = Counter()
        self.codes: Counter[str] = Counter()
        self._open: set[asyncio.StreamWriter] = set()
        self._closed = False

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection and the one behind it."""
        if self._closed:
            writer.transport.abort()
            return
        behind, onwards = await asyncio.open_connection("127.0.0.1", self.target)
        self.told["connections"] += 1
        both = {writer, onwards}
        self._open |= both
        with suppress(asyncio.CancelledError):  # at the end
            await asyncio.gather(
                self._pass(reader, onwards), self._pass(behind, writer, codes=True)
            )
        self._open -= both

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, codes: bool = False
    ) -> None:
        tail = b""
        try:
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
                if codes:
                    seen = tail + data
                    found = list(
                        CODE.finditer(seen, 0, len(seen) if data[-1:] == b"}" else len(seen) - 8)
                    )
                    self.codes.update(one[1].decode() for one in found)
                    tail = seen[max(len(seen) - 24, found[-1].end() if found else 0) :]
        except OSError:
            pass
        writer.transport.abort() if self._closed else writer.close()

    async def cut(self) -> None:
        """Cut, again and again."""
        dice = random.Random(1)
        while self.period_s:
            await asyncio.sleep(self.period_s * dice.uniform(0.8, 1.2))
            self.told["cuts"] += 1
            self.told["cut connections"] += len(self._open) // 2
            self._closed = True
            for one in list(self._open):
                one.transport.abort()
            await asyncio.sleep(CLOSED_S)
            self._closed = False


async def main() -> None:
    target, period_s, port = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    one = Cutter(target, period_s)
    server = await asyncio.start_server(one.relay, "127.0.0.1", port)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    task = asyncio.create_task(one.cut())
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await ended.wait()
    task.cancel()
    sys.stdout.write(json.dumps({**one.told, "codes": one.codes}) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
