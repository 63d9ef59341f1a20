"""Certification itself: every shipped profile passes, cases can fail, and others' acceptors are certified too."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec

import pytest
from tests.fix.elsewhere import ANYWHERE, ELSEWHERE, failed
from tests.fix.plain_venue import PlainVenue
from tests.fix.test_peers import HERE, started
from tests.program import COMMAND

from certify.fix import suite
from certify.fix.case import Bench, PlannedCase, case, run
from certify.fix.suite import INSIDE, acceptor_address, all_cases, certify, reasons
from certify.fix.wire import Heard, MissedError, frame
from certify.tiny import TinyVenue
from exchange.fix.server import serve_fix
from tercel.core.errors import ConfigError, TercelError, VenueError
from tercel.fix.link import Address
from tercel.fix.profiles import load
from tercel.fix.protocol import admission, codec, outbox, session

S_IDS = [f"S{n:02d}" for n in range(1, 31)]
BEHIND = ("BeginSeqNo of the ResendRequest", "MsgSeqNum of 35=A")
QUICK = [one for one in S_IDS if one not in ("S29", "S30")]


@pytest.mark.long
def test_the_command_certifies_the_standard():
    words = ["certify", "fix", "--profile", "generic-44", "--json"]
    around = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [*COMMAND, *words], capture_output=True, text=True, check=False, env=around
    )
    found = json.loads(done.stdout)
    assert failed(found) == []
    assert done.returncode == 0
    assert list(found) == ["cases", "passed", "failed", "exempt"]
    assert all(list(one) == ["id", "title", "role", "passed", "detail"] for one in found["cases"])
    assert found["passed"] == len(found["cases"])
    assert {one["id"] for one in found["exempt"]} <= {"S07", "O36", "O37"}
    ended = {(one["id"], one["role"]) for one in found["cases"]}
    assert {(one, role) for one in S_IDS for role in ("acceptor", "initiator")} - ended == {
        ("S05", "initiator")
    }


PROFILES = [pytest.param("tercel", marks=pytest.mark.long)]
PROFILES += [pytest.param(name, marks=pytest.mark.release) for name in ("binance", "generic-42")]


@pytest.mark.parametrize("profile", PROFILES)
def test_the_sessions_of_every_shipped_profile(profile):
    found = certify(profile, only=QUICK)
    assert failed(found) == []
    left_out = {one["id"] for one in found["exempt"]}
    assert {one["id"] for one in found["cases"]} == set(QUICK) - left_out
    assert all(one["reason"] for one in found["exempt"])


@pytest.mark.long
def test_binance_by_its_own_dictionary(shared_peers, profile):
    """Whatever the venue's words can say passes, both ways under its dictionary; what they cannot is named."""
    told = profile(f'base = "binance"\ndictionary = "{shared_peers}/binance/spot-fix-oe.xml"')
    found = certify(
        told, only=[one for one in {each.id for each in all_cases()} if one not in ("S29", "S30")]
    )
    assert failed(found) == []
    lacking = {
        one["id"]: one["reason"]
        for one in found["exempt"]
        if "the venue's dictionary has no" in one["reason"]
    }
    assert {id_: why.rpartition(" no ")[2] for id_, why in lacking.items()} == {
        **{
            "S25": "data field in 35=8",
            "O32": "Account (1) in 35=8",
            "O03": "103=0",
            "O05": "150=3",
        },
        **{
            "O06": "150=6",
            "O07": "150=6",
            "O18": "150=D",
            "O19": "150=9",
            "O20": "150=H",
            "O21": "150=G",
        },
        "O29": "530=7",
    }
    assert {"O01", "O02", "O04", "O08", "O23", "O24", "O31", "K01", "K11"} <= {
        one["id"] for one in found["cases"]
    }


def test_what_a_document_leaves_out_is_quoted_from_it(shared_peers):
    text = (shared_peers / "binance" / "fix-api.md").read_text(encoding="utf-8")
    ours = set(reasons("generic-44", "FIX.4.4").values())
    for reason in set(reasons("binance", "FIX.4.4").values()) - ours:
        quote = reason.split('": "')[1].removesuffix('"')
        assert quote in text, quote


def test_a_profile_upon_another_leaves_out_the_same(profile):
    assert reasons(profile('base = "binance"'), "FIX.4.4") == reasons("binance", "FIX.4.4")


WATCHED = ("S01", "S09", "S16", "S20", "S22")
EVERY = {(one, role) for one in WATCHED for role in ("acceptor", "initiator")}
headed, early, right = outbox.Outbox.add_header, session.FixSession._queue_early, outbox.encode


def unmarked(self, kind, fields, number=0):
    return headed(self, kind, [field for field in fields if field[0] != 43], number)


def losing(self, message):
    early(self, message)
    if message.kind in ("D", "8") and not message.is_yes(43):
        self._next_in = max(self._next_in, message.number + 1)


class Lenient(codec.Decoder):
    def _take_message(self, buffer, at, found):
        stop = super()._take_message(buffer, at, found)
        last = found[-1] if stop else None
        if isinstance(last, codec.GarbledMessage) and "CheckSum is wrong" in last.reason:
            raw = found.pop().raw[:-7]
            super()._take_message(raw + b"10=%03d\x01" % codec.checksum(raw), 0, found)
        return stop


BROKEN = {
    "repetitions without their mark": ([(outbox.Outbox, "add_header")], unmarked, {"S16"}, {"S16"}),
    "messages behind a gap that are lost": ([(session.FixSession, "_queue_early")], losing, {"S09"}, {*WATCHED}),
    "dates that nobody looks at": (
        [(module, "orig_time_fault") for module in (admission, session)], lambda _: None, {"S20"}, {"S20"},
    ),
    "sums that nobody looks at": ([(session, "Decoder")], Lenient, {"S22"}, {"S22"}),
    "a codec that sums wrongly, which the second one sees": (
        [(outbox, "encode")], lambda *all_: right(*all_)[:-4] + b"000\x01", {*WATCHED}, {*WATCHED},
    ),
}  # fmt: skip
"""What is broken, how, the cases that have to fail, and those that may."""


@pytest.mark.release
@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_session_fails_the_cases_that_are_about_it(broken, monkeypatch):
    places, wrong, must, may = BROKEN[broken]
    for owner, name in places:
        monkeypatch.setattr(owner, name, wrong)
    cases = certify("generic-44", only=WATCHED)["cases"]
    found = {(one["id"], one["role"]) for one in cases if not one["passed"]}
    assert must <= {one for one, _ in found} <= may
    if wrong is losing:
        assert ("S16", "acceptor") not in found
    elif must == may and len(must) == 1:
        assert found == {one for one in EVERY if one[0] in must}


def test_a_case_that_raises_has_failed(tmp_path):
    def body(_):
        raise TercelError("one", "two", "three")

    ended = run(
        PlannedCase("S00", "nothing", "acceptor", body), Bench(load("generic-44"), tmp_path)
    )
    assert not ended.passed
    assert ended.detail.startswith("TercelError")


def test_no_case_has_two_bodies():
    all_cases()
    with pytest.raises(ConfigError, match="S01 as acceptor twice"):
        case("S01", "again", "acceptor")(lambda _: "")


def test_an_address_has_two_halves():
    assert acceptor_address("", 0) is None
    with pytest.raises(ConfigError, match="or neither"):
        acceptor_address("localhost", 0)


@pytest.mark.parametrize("wrong", [{"length": 5}, {"checksum": 7}])
def test_the_second_decoder_is_strict(wrong):
    fields = [(35, "0"), (49, "A"), (56, "B"), (34, "2"), (52, "20231114-22:13:20")]
    assert Heard(frame("FIX.4.4", fields)).number == 2
    with pytest.raises(MissedError, match=r"BodyLength|CheckSum"):
        Heard(frame("FIX.4.4", fields, **wrong))


def test_no_case_runs_at_an_acceptor_that_is_not_provably_a_tests(profile):
    told = profile(
        ELSEWHERE.format(base="generic-44", target="VENUE", symbol="XYZ", tick="0.05", lot=10)
    )
    with PlainVenue() as venue:
        venue.proves = False
        with pytest.raises(ConfigError, match=r"provably a test; received .*test_hosts"):
            certify(told, Address("127.0.0.1", venue.port), only=["O01"])
        assert venue.kinds() == [], "neither logon nor order"


@pytest.fixture
def listed(monkeypatch):
    """The installation's list has the acceptor."""
    monkeypatch.setattr(suite, "why_money", lambda url: "")


@pytest.mark.long
class TestSomebodyElses:
    def test_our_own_server_as_if_it_were(self, profile):
        told = profile(
            ELSEWHERE.format(base="generic-44", target="VENUE", symbol="TINY", tick="0.05", lot=10)
        )
        with serve_fix(TinyVenue(), 0, ["DESK"], comp_id="VENUE") as server:
            found = certify(told, Address("127.0.0.1", server.port))
        assert failed(found) == []
        assert found["passed"] >= 33
        assert {one["reason"] for one in found["exempt"] if one["id"] != "O37"} == {INSIDE}

    def test_nobody_listens(self, profile, port):
        told = profile(
            ELSEWHERE.format(base="generic-44", target="VENUE", symbol="TINY", tick="0.05", lot=10)
        )
        with pytest.raises(VenueError, match=f"at 127.0.0.1:{port}"):
            certify(told, Address("127.0.0.1", port), only=["S01"])

    def test_a_profile_without_a_symbol(self, port):
        with pytest.raises(ConfigError, match="symbol"):
            certify("generic-44", Address("127.0.0.1", port))

    @pytest.mark.parametrize(
        "begin", ["FIX.4.4", pytest.param("FIX.4.2", marks=pytest.mark.release)]
    )
    @pytest.mark.usefixtures("listed")
    def test_quickfix(self, begin, port, tmp_path, profile):
        """What it fails is named: it asks for no second gap, and drops what it reads behind a malformed BodyLength."""
        python = sys.executable if find_spec("quickfix") else os.environ.get("TERCEL_QUICKFIX", "")
        if not python:
            pytest.skip(
                "no QuickFIX: pip install 'tercel[fix]', or name a Python that has it in TERCEL_QUICKFIX"
            )
        process = started(
            [python, str(HERE / "quickfix_acceptor.script"), begin, str(port), str(tmp_path)],
            tmp_path,
            port,
            {},
        )
        base = "generic-42" if begin == "FIX.4.2" else "generic-44"
        told = profile(
            ELSEWHERE.format(base=base, target="VENUE", symbol="XYZ", tick="0.05", lot=10)
        )
        try:
            found = certify(told, Address("127.0.0.1", port), only=[*QUICK, *ANYWHERE])
        finally:
            process.stdin.close()
            process.kill()
            process.wait()
        assert {one["id"] for one in found["cases"] if not one["passed"]} - {"S13"} == {"S22"}, (
            failed(found)
        )

    @pytest.mark.usefixtures("listed")
    def test_jspurefix(self, foreign_engines, port, tmp_path, profile):
        """What it fails is named: on a busy machine its store may be a message behind when a session comes back."""
        words = ["node", str(HERE / "jspurefix_acceptor.js"), str(port), str(tmp_path / "peer")]
        process = started(
            words, tmp_path, port, {"NODE_PATH": str(foreign_engines / "node_modules")}
        )
        told = profile(
            ELSEWHERE.format(base="generic-44", target="VENUE", symbol="XYZ", tick="0.05", lot=10)
        )
        try:
            found = certify(
                told,
                Address("127.0.0.1", port),
                only=["S01", "S02", "S11", "S19", "S24", "S26", *ANYWHERE],
            )
        finally:
            process.stdin.close()
            process.kill()
            process.wait()
        behind = [f"S02 as acceptor: {what}: expected 2; received 1" for what in BEHIND]
        assert set(failed(found)) <= set(behind)


def test_a_profile_without_a_symbol_cannot_send_orders(tmp_path):
    bench = Bench(load("generic-44"), tmp_path)
    (one,) = [each for each in all_cases() if (each.id, each.role) == ("S16", "acceptor")]
    ended = run(one, replace(bench, address=Address("127.0.0.1", 1)))
    assert "[[symbol]]" in ended.detail


def test_a_case_that_does_not_end_has_failed(tmp_path):
    def endless(bench):
        while True:
            pass

    found = run(
        PlannedCase("S00", "for ever", "initiator", endless),
        Bench(load("generic-44"), tmp_path),
        limit_s=0.2,
    )
    assert (found.passed, found.detail) == (False, "no end after 0.2 s")
