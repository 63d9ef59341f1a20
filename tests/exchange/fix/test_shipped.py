"""The server as it is shipped, over real connections: the reference engine's session scripts, and a foreign engine."""

import json
import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from tests.fix.plain import PlainClient, order
from tests.fix.protocol.acceptance import Script
from tests.fix.protocol.samples import full

from certify.tiny import TinyVenue
from exchange.fix.counterparties import Login
from exchange.fix.server import STORE, FixServer, ListenerSettings, serve_fix
from exchange.fix.service import TAKES
from tercel.fix.dialect import own_dictionary
from tercel.fix.protocol.message import decode
from tercel.fix.protocol.settings import Outcome
from tercel.fix.protocol.validate import check
from tercel.fix.store import SqliteStore

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
        return Outcome(out=out, close=not out)

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
            assert all(check(one, rules) is None for one in heard), kind
            assert len(heard) > 1 or kind in ("j", "Q", "V"), f"{kind} has no answer"
        client.close()


_SERVER = """
import sys
from pathlib import Path
from certify.tiny import TinyVenue
from exchange.fix.server import serve_fix
server = serve_fix(TinyVenue(began_ns=10**18 + int(sys.argv[2])), 0, ["A"], store=Path(sys.argv[1]))
print(server.port, flush=True)
server.wait()
"""


def test_a_killed_server_goes_on_with_its_numbers(tmp_path):
    """Killed with orders in the air, three times: the next logon is taken, and each report comes again."""
    number, told = 1, {}
    for turn in range(3):
        words = [sys.executable, "-c", _SERVER, str(tmp_path), str(turn)]
        environment = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment)
        assert process.stdout is not None
        client = PlainClient(
            int(process.stdout.readline()), "A", number=number, reset=turn == 0, own=False
        )
        assert client.logon[35] == "A", client.logon
        client.say("2", [(7, 1), (16, 0)])
        for number_out, (name, kind) in sorted(told.items()):
            again = client.hear("8")
            assert (int(again[34]), again[11], again[17], again[43]) == (
                number_out,
                name,
                kind,
                "Y",
            )
        client.say("1", [(112, "done")])
        while client.hear("0")[112] != "done":
            pass
        for n in range(10):
            client.say("D", order(f"{turn}-{n}"))
        for _ in range(4):
            said = client.hear("8")
            told[int(said[34])] = said[11], said[17]
        process.kill()
        while said := client.hear("8"):
            told[int(said[34])] = said[11], said[17]
        process.wait()
        client.close()
        last = max(told)
        with SqliteStore(tmp_path / STORE, "FIX.4.4:TERCEL->A", durable=False) as store:
            kept = {n: decode(raw) for n, raw in store.sent(1, 10**6)}
            number = store.load().next_in  # a slow machine died before it read all ten
        assert told.keys() <= kept.keys()
        told = {n: (one.get(11), one.get(17)) for n, one in kept.items()}
        assert last <= max(told)
