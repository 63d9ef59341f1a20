"""Binance's own connector at our acceptor: TLS that it verifies, its Ed25519 logon, its words in and out.

The connector is where `make peers` puts it. Every message of either side is held against the venue's dictionaries.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest
from tests.fix.certificates import authority, certificate

from exchange.fix.counterparties import Login
from tercel.core.errors import ConfigError
from tercel.core.link.connection import TlsSettings
from tercel.fix.profiles import load
from tercel.fix.protocol import validate as v
from tercel.fix.protocol.message import Message
from tercel.fix.protocol.quickfix_xml import read_xml

SCRIPT = Path(__file__).parent / "peers" / "binance_connector.script"
API_KEY = "sBRXrJx2DsOraMXOaUovEhgVRcjOvCtQwnWj8VxkOh1xqboS02SPGfKi2h8spZJb"
PROFILE = """
base = "{base}"
dictionary = "{dictionary}"
[[symbol]]
name = "TINY"
tick = 0.05
lot = 10
currency = "USD"
"""
BUY = [(55, "TINY"), (54, "1")]


def key_pair(folder, name):
    """Files of an Ed25519 key and of its public half."""
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    subprocess.run(
        ["openssl", "genpkey", "-algorithm", "ed25519", "-out", private],
        check=True,
        capture_output=True,
    )
    subprocess.run(
        ["openssl", "pkey", "-in", private, "-pubout", "-out", public],
        check=True,
        capture_output=True,
    )
    return private, public


class Connector:
    """A process with one session of the connector; what it sends and hears is checked by a dictionary."""

    def __init__(self, python, words, around, dictionary):
        self._dictionary = dictionary
        self.process = subprocess.Popen(
            [python, "-I", SCRIPT, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={"PATH": os.environ["PATH"], **around},
        )
        self.said = []

    def _ask(self, checked=True, **what):
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("@"):
                break
            self.said.append(line)
        else:
            pytest.fail("".join(self.said))
        found = []
        for fields in json.loads(line[1:]):
            assert [tag for tag, _ in fields[:2]] == [8, 9]
            assert fields[-1][0] == 10
            message = Message(
                fields[0][1], [(tag, value) for tag, value in fields if tag not in (8, 9, 10)]
            )
            found.append(message)
            if checked:
                fault = v.first_fault(message, self._dictionary)
                assert fault is None, (fault, fields)
                assert message.kind in self._dictionary.messages
        return found

    def send(self, kind, *fields, checked=True):
        self._ask(checked, send=[kind, fields])

    def test(self, name):
        self._ask(test=name)

    def until(self, *kinds, **holds):
        """What came, up to a message of these kinds; `_TAG` of it has a value."""
        found = self._ask(
            until=kinds, holds=next(((int(tag[1:]), value) for tag, value in holds.items()), None)
        )
        assert found, "nothing came"
        assert found[-1].kind in kinds, [(one.kind, one.get(58)) for one in found]
        return found

    def one(self, *kinds, **holds):
        return self.until(*kinds, **holds)[-1]

    def log_out(self):
        self._ask(logout=True)
        return self.one("5")

    def end(self):
        """All that it printed, once it is over."""
        with self.process:
            self.process.stdin.close()
            self.said += self.process.stdout.readlines()
        return "".join(self.said)


@pytest.fixture
def dictionaries(shared_peers):
    """Those that the venue publishes."""
    return {
        kind: shared_peers / "binance" / f"spot-fix-{kind.lower()}.xml" for kind in ("OE", "MD")
    }


@pytest.fixture
def served(serve, tmp_path, profile, dictionaries):
    """Our acceptor as the connector expects the venue's; the folder with the keys and the authority."""
    pytest.importorskip("cryptography", reason="pip install 'tercel[sign]'")
    ca = authority(tmp_path / "ca")
    _, public = key_pair(tmp_path, "desk")
    logins = []
    for name, kind, base in (("BOETRADE", "OE", "binance"), ("BMDWATCH", "MD", "binance-md")):
        terms = load(profile(PROFILE.format(base=base, dictionary=dictionaries[kind])))
        logins.append(Login(name, username=API_KEY, public_key=public.read_text(), terms=terms))
    server = serve(logins, comp_id="SPOT", tls=TlsSettings(*certificate(ca, "localhost")))
    server.folder, server.ca = tmp_path, ca
    return server


@pytest.fixture
def connector(served, binance_connector, dictionaries):
    made = []

    def start(kind="OE", key="desk", api_key=API_KEY, ca=None):
        terms = read_xml(dictionaries[kind])
        around = {"API_KEY": api_key, "SSL_CERT_FILE": str(ca or served.ca)}
        words = [f"tcp+tls://localhost:{served.port}", kind, str(served.folder / f"{key}.pem")]
        made.append(Connector(binance_connector, words, around, terms))
        return made[-1]

    yield start
    for one in made:
        one.process.kill()
        with one.process:
            pass


@pytest.fixture
def desk(connector):
    session = connector()
    answer = session.one("A")
    assert (answer.get(98), answer.get(108), answer.get(56), len(answer.get(25037))) == (
        "0",
        "30",
        "BOETRADE",
        36,
    )
    return session


def order(name, price="4.90", lots="20", *more):
    return [(11, name), *BUY, (38, lots), (40, "2"), (44, price), *(more or [(59, "1")])]


def test_it_logs_on_is_there_and_logs_out(desk, served):
    assert served.linked == {"BOETRADE"}
    desk.test("there?")
    assert desk.one("0").get(112) == "there?"
    desk.log_out()
    assert API_KEY in desk.end(), "it prints its own key; what the server keeps must not have it"
    served.close()
    kept = b"".join(
        path.read_bytes() for path in (served.folder / "server").rglob("*") if path.is_file()
    )
    assert kept
    assert API_KEY.encode() not in kept


def test_an_order_rests_loses_lots_is_exchanged_and_cancelled(desk):
    desk.send("D", *order("o1"))
    new = desk.one("8")
    assert [new.get(tag) for tag in (150, 39, 11, 38, 44, 14, 32)] == [
        "0",
        "0",
        "o1",
        "20",
        "4.90",
        "0",
        "0",
    ]
    desk.send("XAK", (11, "o2"), (41, "o1"), (55, "TINY"), (38, "10"))
    less = desk.one("8")
    assert [less.get(tag) for tag in (150, 11, 41, 38, 151, 37)] == [
        "5",
        "o2",
        "o1",
        "10",
        "10",
        new.get(37),
    ]
    desk.send("XAK", (11, "o3"), (41, "o2"), (55, "TINY"), (38, "30"))
    refused = desk.one("XAR")
    assert [refused.get(tag) for tag in (11, 41, 38, 25016)] == ["o3", "o2", "30", "-2038"]
    assert "fewer than 10" in refused.get(58)
    desk.send("XCN", (25033, 1), (25034, "c1"), (37, less.get(37)), *order("o4", "4.85", "30"))
    gone, other = desk.until("8", _11="o4")
    assert [gone.get(tag) for tag in (150, 11, 41)] == ["4", "c1", "o2"]
    assert [other.get(tag) for tag in (150, 11, 38, 44)] == ["0", "o4", "30", "4.85"]
    desk.send("F", (11, "c2"), (37, other.get(37)), (55, "TINY"))
    assert desk.one("8").get(150) == "4"
    desk.send("F", (11, "c3"), (41, "nobody"), (55, "TINY"))
    unknown = desk.one("9")
    assert [unknown.get(tag) for tag in (11, 41, 434, 25016)] == ["c3", "nobody", "1", "-2011"]
    desk.log_out()


def test_a_new_half_waits_for_the_cancel_and_for_its_mode(desk):
    desk.send("XCN", (25033, 1), (25034, "c1"), (41, "nobody"), *order("o1"))
    assert desk.one("9").get(11) == "c1"
    desk.send("XCN", (25033, 2), (25034, "c2"), (41, "nobody"), *order("o2"))
    refused, new = desk.until("8")
    assert (refused.kind, refused.get(11), new.get(150), new.get(11)) == ("9", "c2", "0", "o2")
    desk.send("XCN", (25033, 1), (25034, "c3"), (41, "o2"), *order("o3"), (111, "10"))
    never = desk.one("8")
    assert (never.get(150), never.get(11)) == ("8", "o3"), (
        "an iceberg is not offered: nothing is done"
    )
    desk.send("F", (11, "c4"), (41, "o2"), (37, "7"), (55, "TINY"))
    assert desk.one("9").get(11) == "c4", "a number that is not this order's"
    desk.send("F", (11, "c5"), (41, "o2"), (55, "TINY"))
    assert desk.one("8").get(41) == "o2"


def test_orders_trade_and_what_is_not_offered_is_refused(desk):
    desk.send("D", *order("o1", "5.05", "80", (59, "3")))
    new, traded, expired = desk.until("8", _150="C")
    assert (new.get(150), expired.get(39), expired.get(14)) == ("0", "C", "50")
    assert [traded.get(tag) for tag in (150, 39, 31, 32, 14, 151, 1057)] == [
        "F",
        "1",
        "5.05",
        "50",
        "50",
        "30",
        "Y",
    ]
    desk.send("D", (11, "o2"), *BUY, (38, "50"), (40, "1"))
    assert desk.one("8", _150="F").get(31) == "5.10"
    refusals = [
        ("D", order("o3", "4.90", "20", (59, "4"))),
        ("D", order("o4", "4.91")),
        ("D", order("o1")),
    ]
    for kind, fields in refusals:
        desk.send(kind, *fields)
        said = desk.one("8")
        assert [said.get(tag) for tag in (150, 39, 25016)] == ["8", "8", "-2010"]
        assert said.get(103) in ("", "99")
        assert said.get(58)
    desk.send("E", (25014, "list"), (1385, "2"))
    said = desk.one("3")
    assert [said.get(tag) for tag in (372, 373)] == ["E", "99"]
    desk.send("D", *order("a.b"))
    said = desk.one("3")
    assert [said.get(tag) for tag in (371, 372, 373)] == ["11", "D", "5"]


def test_a_mass_cancel_is_of_one_symbol(desk):
    for name in ("o1", "o2"):
        desk.send("D", *order(name))
        desk.one("8")
    desk.send("q", (11, "all"), (55, "TINY"), (530, "1"))
    found = [desk.one("r", "8") for _ in range(3)]
    report, *gone = sorted(found, key=lambda one: one.kind == "8")
    assert [report.get(tag) for tag in (11, 55, 530, 531)] == ["all", "TINY", "1", "1"]
    assert {(one.get(150), one.get(11)) for one in gone} == {("4", "o1"), ("4", "o2")}
    desk.send("q", (11, "none"), (55, "ZZZ"), (530, "1"))
    refused = desk.one("r")
    assert [refused.get(tag) for tag in (531, 532)] == ["0", "99"]


def test_market_data_on_its_own_session(desk, connector):
    feed = connector("MD")
    feed.one("A")
    feed.send("x", (320, "L1"), (559, "4"))
    listed = feed.one("y")
    assert [listed.get(tag) for tag in (320, 146, 55, 15, 25039, 969)] == [
        "L1",
        "1",
        "TINY",
        "USD",
        "10",
        "0.05",
    ]
    feed.send("x", (320, "L2"), (559, "0"), (55, "ZZZ"))
    assert feed.one("3").get(371) == "55"
    depth = [
        (262, "DEPTH"),
        (263, "1"),
        (264, "10"),
        (266, "Y"),
        (146, "1"),
        (55, "TINY"),
        (267, "2"),
        (269, "0"),
    ]
    feed.send("V", *depth, (269, "1"))
    book = feed.one("W")
    entries = [value for tag, value in book.fields if tag in (270, 271)]
    assert entries == ["4.95", "50", "4.90", "50", "5.05", "50", "5.10", "50"]
    feed.send("V", *depth, (269, "1"))
    refused = feed.one("Y")
    assert [refused.get(tag) for tag in (262, 281)] == ["DEPTH", "1"]
    trades = [
        (262, "TRADES"),
        (263, "1"),
        (264, "1"),
        (146, "1"),
        (55, "TINY"),
        (267, "1"),
        (269, "2"),
    ]
    feed.send("V", *trades)
    feed.one("W", _262="TRADES")
    desk.send("D", *order("o1", "5.05", "20", (59, "3")))
    desk.one("8", _150="F")
    changes = {one.get(262): one for one in (feed.one("X"), feed.one("X"))}
    assert [changes["DEPTH"].get(tag) for tag in (279, 269, 270, 271)] == ["1", "1", "5.05", "30"]
    assert [changes["TRADES"].get(tag) for tag in (279, 269, 270, 271)] == ["0", "2", "5.05", "20"]
    feed.send("V", (262, "DEPTH"), (263, "2"))
    feed.send("D", *order("o2"), checked=False)
    assert feed.one("3").get(372) == "D", "a session of market data takes no orders"
    feed.log_out()


@pytest.mark.parametrize(
    ("wrong", "said"), [({"key": "thief"}, "signature"), ({"api_key": "w" * 64}, "user name")]
)
def test_a_logon_that_is_not_its_own_is_refused(served, connector, caplog, wrong, said):
    key_pair(served.folder, "thief")
    session = connector(**wrong)
    refused = session.one("5")
    assert refused.get(58) == f"wrong {said} for BOETRADE"
    session.end()
    assert not served.linked
    assert API_KEY not in f"{caplog.text} {served._parties!r}"


def test_the_connector_refuses_an_acceptor_of_another_authority(served, connector):
    session = connector(ca=authority(served.folder / "other"))
    assert "CERTIFICATE_VERIFY_FAILED" in session.end()
    assert session.process.returncode
    assert not served.linked


def test_logins_that_cannot_be(profile, dictionaries):
    pytest.importorskip("cryptography", reason="pip install 'tercel[sign]'")
    with pytest.raises(ConfigError, match="a public Ed25519 key"):
        Login("A", public_key="-----BEGIN PUBLIC KEY-----")
    with pytest.raises(ConfigError, match=r"a profile of FIX\.4\.2"):
        Login(
            "A",
            begin="FIX.4.2",
            terms=load(profile(PROFILE.format(base="binance", dictionary=dictionaries["OE"]))),
        )
