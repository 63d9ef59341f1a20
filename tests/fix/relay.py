"""A relay of bytes between a client and a server."""

import select
import socket
import threading
from contextlib import suppress

from tests import waiting

from tercel.fix.own_dialect import answer_simulation_query


class Relay:
    """A wire between a client and the server at a port of this machine, that can be cut.

    It listens at the port `at`, 0: any. One that `vouches` says of a server of somebody else's that it is a test.
    """

    def __init__(self, port, at=0, vouches=False):
        self._port, self._vouches, self._pairs = port, vouches, []
        self._door = socket.create_server(("127.0.0.1", at))
        self.port = self._door.getsockname()[1]
        self.open, self.deaf, self.lost = True, False, 0
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while self.open:
            watched = [self._door, *(one for pair in self._pairs for one in pair)]
            for one in select.select(watched, [], [], 0.05)[0]:
                if one is self._door:
                    self._pairs.append(
                        (
                            self._door.accept()[0],
                            socket.create_connection(("127.0.0.1", self._port)),
                        )
                    )
                else:
                    self._carry(one)
        self.cut()
        self._door.close()

    def _carry(self, one):
        for pair in self._pairs:
            if one in pair:
                data = b""
                with suppress(
                    OSError
                ):  # reset by an end that saw the line go dead first: over, like any other
                    data = one.recv(65536)
                    if self.deaf and one is pair[0]:
                        self.lost += len(data)
                    elif (
                        self._vouches and one is pair[0] and (told := answer_simulation_query(data))
                    ):
                        one.sendall(told)
                        data = b""
                    else:
                        pair[one is pair[0]].sendall(data)
                if not data:
                    self._drop(pair)
                return

    def _drop(self, pair):
        self._pairs = [kept for kept in self._pairs if kept is not pair]
        for one in pair:
            one.close()

    def cut(self):
        """Both ends see the line go dead."""
        for pair in list(self._pairs):
            for one in pair:
                with suppress(OSError):  # gone already
                    one.shutdown(socket.SHUT_RDWR)

    def drain(self):
        """Wait until something was lost."""
        waiting.until(lambda: self.lost > 0, what="bytes that are lost")

    def close(self):
        self.open = False
