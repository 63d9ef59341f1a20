"""The server as it is shipped, over real connections: the reference engine's session scripts, and a foreign engine."""

import json
import os
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from tests.fix.plain import PlainClient
from tests.fix.protocol.acceptance import Script
from tests.fix.protocol.samples import full

from certify.tiny import TinyVenue
from exchange.fix.counterparties import Login
from exchange.fix.server import FixServer, ListenerSettings, serve_fix
from exchange.fix.service import TAKES
from tercel.fix.own_dialect import own_dictionary
from tercel.fix.protocol.codec import decode
from tercel.fix.protocol.events import Outcome
from tercel.fix.protocol.validate import first_fault

INITIATOR = Path(__file__).with_name("peers") / "jspurefix_initiator.js"


class OverSockets(Script):
    """A script at a server's port. The server runs in this thread, by the script's clock."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        login = Login("TW44", reset=frozenset({"disconnect"}), user_tags=False)
        self.server = FixServer(
            TinyVenue(), ListenerSettings(), [login], "ISLD", wall_ns=lambda: self._now
        )
        self.server.listen()

    def connected(self, now_ns: int) -> "_Plug":
        return _Plug(self.server)


class _Plug:
    """A socket that is called as an arrival is."""

    def __init__(self, server: FixServer) -> None:
        self._server = server
        self._socket = socket.create_connection(("127.0.0.1", server.port))
        self._socket.settimeout(0.0)
        self.receive(b"", 0)

    def receive(self, data: bytes, _now_ns: int) -> Outcome:
        with suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(data)
        return self.on_time(0)

    def on_time(self, _now_ns: int) -> Outcome:
        for _ in range(3):
            self._server.turn(0.001)
        try:
            out = self._socket.recv(1 << 20)
        except BlockingIOError:
            return Outcome()
        except ConnectionResetError:
            out = b""
        return Outcome(data=out, close=not out)

    def disconnect(self, _now_ns: int) -> Outcome:
        self._socket.close()
        return self.on_time(0) if self._socket.fileno() >= 0 else Outcome()


def wants_an_echo(path: Path) -> bool:
    """Whether a script has an application that sends orders back; here they are answered by execution reports."""
    expected = [
        line for line in path.read_text(encoding="latin-1").splitlines() if line.startswith("E")
    ]
    return any("\x0135=D\x01" in line or "\x0135=d\x01" in line for line in expected)


def test_the_session_scripts_at_the_shipped_server(shared_peers):
    paths = sorted((shared_peers / "quickfix_acceptance" / "fix44").glob("*.def"))
    ran = [path for path in paths if not wants_an_echo(path)]
    for path in ran:
        script = OverSockets(path)
        try:
            script.run()
        except AssertionError as error:
            raise AssertionError(f"{path.stem}: {error}") from error
        finally:
            script.server.close()
    assert (len(paths), len(ran)) == (59, 45)


def test_a_desk_on_a_foreign_engine(foreign_engines):
    """Two hundred orders of jspurefix: every one acknowledged, ten filled, the rest cancelled."""
    with serve_fix(TinyVenue(), 0, ["DESK"]) as server:
        command = ["node", str(INITIATOR), str(server.port), "200", "TINY", "5.10", "4.50"]
        environment = dict(os.environ, NODE_PATH=str(foreign_engines / "node_modules"))
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=300, check=True
        )
        assert server.error is None
    said = json.loads(done.stdout)
    counts = {key: said[key] for key in ("acks", "fills", "cancelled", "rejected")}
    assert counts == {"acks": 200, "fills": 10, "cancelled": 190, "rejected": 0}, said
    assert said["other"] == []
    assert said["listed"] == ["TINY"]
    assert said["held"] == [["held", 0, 1], ["DESK", "TINY", "TQ", 100]]
    assert said["book"] > 200
    assert min(said["years"]) > 2020


@pytest.mark.parametrize("begin", ["FIX.4.2", "FIX.4.4"])
def test_messages_with_all_that_they_may_have_are_answered(begin):
    """Whatever the dictionary allows is answered, by a message that the dictionary allows, and the server lives."""
    rules = own_dictionary(begin)
    with serve_fix(TinyVenue(), 0, [Login("A", begin=begin)]) as server:
        client = PlainClient(server.port, "A", begin=begin, own=False)
        for kind in sorted(TAKES & rules.messages.keys()):
            for symbol in ("TINY", "X"):
                body = [
                    field
                    for field in full(kind, rules).fields
                    if field[0] not in rules.header.members
                ]
                client.say(kind, [(tag, symbol if tag == 55 else value) for tag, value in body])
            client.say("1", [(112, kind)])
            heard = [decode(client.hear_raw(), rules.data_fields)]
            while heard[-1].get(112) != kind:
                heard.append(decode(client.hear_raw(), rules.data_fields))
            assert server.error is None
            assert all(first_fault(one, rules) is None for one in heard), kind
            assert len(heard) > 1 or kind in ("j", "Q", "V"), f"{kind} has no answer"
        client.close()
