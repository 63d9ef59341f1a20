"""Reported cases 15: fills whose messages have a fault that nobody reads, and what a session does about sequence."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fix.plain import PlainClient
from tests.fix.plain_venue import Fields, PlainVenue
from tests.waiting import until

from certify.tiny import TinyVenue
from exchange.fix.server import serve_fix
from tercel.core.orders import ONE, ExecType, NewOrder, Report, Tif
from tercel.venues.address import connect

PROFILE = """base = "generic-44"
[session]
sender = "DESK"
target = "VENUE"
[[symbol]]
name = "XYZ"
tick = 0.01
lot = 1
currency = "USD"
"""
FAULTS: dict[str, Fields] = {
    "a party group in another order": [(453, 1), (447, "D"), (448, "BROKER"), (452, 1)],
    "a role of a later version": [(453, 1), (448, "BROKER"), (447, "D"), (452, 76)],
    "a capacity that is none": [(528, "X")],
    "a text twice": [(58, "first"), (58, "second")],
    "nothing": [],
}


class OddVenue(PlainVenue):
    """It says more of a fill than is asked for."""

    def fill_with(self, name: str, lots: int, more: Fields) -> None:
        with self._lock:
            order = self.orders[name]
            order.status = "2"
            self._report(order, "F", lots, [(32, lots), (31, order.price), *more])

    def say_odd(self, kind: str, fields: Fields) -> None:
        with self._lock:
            self._say(kind, fields)


@pytest.fixture
def odd() -> Iterator[OddVenue]:
    with OddVenue() as venue:
        yield venue


def filled(odd: OddVenue, venue: Any, more: Fields) -> tuple[list[Report], list[Any]]:
    """Reports of trades of an order that fills so, and all else that was told until a plain order is acknowledged."""
    told: list[Any] = []

    def hears(name: str) -> bool:
        venue.poll(0.02)
        told.extend(venue.step(venue.now_ns))
        return any(isinstance(one, Report) and one.cl_ord_id == name for one in told)

    def order(name: str) -> NewOrder:
        return NewOrder(name, "XYZ", 1, 1, 999, Tif.DAY, "DESK", "", venue.now_ns)

    venue.send(order("a1"))
    until(lambda: hears("a1"), what="an acknowledgement")
    odd.fill_with("a1", 1, more)
    venue.send(order("a2"))
    until(lambda: hears("a2"), what="a second acknowledgement")
    return [
        one for one in told if isinstance(one, Report) and one.exec_type is ExecType.TRADE
    ], told


@pytest.mark.parametrize("fault", FAULTS)
def test_15a_a_fill_is_booked_whatever_else_is_wrong_with_it(
    odd: OddVenue, tmp_path: Path, fault: str
) -> None:
    """Booked once, no reject goes out, and the fault is told with its tag."""
    (tmp_path / "plain.toml").write_text(PROFILE)
    venue: Any = connect(
        f"fix://127.0.0.1:{odd.port}?profile=plain.toml", ["DESK"], tmp_path, tmp_path
    )
    try:
        trades, told = filled(odd, venue, FAULTS[fault])
    finally:
        venue.close()
    assert [(one.cl_ord_id, one.last_qty, one.last_px, one.cum_qty) for one in trades] == [
        ("a1", ONE, 999 * ONE, ONE)
    ]
    assert "3" not in odd.kinds()
    said = " ".join(
        repr(one) for one in told if not (isinstance(one, Report) and one.cl_ord_id == "a2")
    )
    tags = {str(tag) for tag, _ in FAULTS[fault]}
    assert not tags or any(tag in said for tag in tags), "the fault is reported"


CFG = """[DEFAULT]
ConnectionType=initiator
BeginString=FIX.4.4
SenderCompID=DESK
TargetCompID=VENUE
HeartBtInt=30
StartTime=00:00:00
EndTime=00:00:00
{more}
[SESSION]
"""


@pytest.mark.parametrize(
    ("key", "odd_fields"),
    [
        ("ValidateFieldsOutOfOrder", [(112, "x"), (50, "LATE")]),
        ("UseDataDictionary", [(112, "x"), (528, "X")]),
    ],
)
def test_15b_keys_of_quickfix_that_relax_do_so_or_are_named(
    odd: OddVenue, tmp_path: Path, key: str, odd_fields: Fields
) -> None:
    """A heartbeat with a header's field in its body, or with one that is of another message: rejected by default."""
    rejected = {}
    for more in ("", f"{key}=N"):
        (tmp_path / "desk.cfg").write_text(CFG.format(more=more))
        text = f'base = "desk.cfg"\n{PROFILE[PROFILE.index("[[symbol]]") :]}'
        (tmp_path / "plain.toml").write_text(text, encoding="utf-8")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            venue: Any = connect(
                f"fix://127.0.0.1:{odd.port}?profile=plain.toml",
                ["DESK"],
                tmp_path / f"store{more}",
                tmp_path,
            )
        named = any(key.lower() in str(one.message).lower() for one in caught)
        try:
            before = len(odd.kinds())
            odd.say_odd("0", odd_fields)
            trades, _ = filled(odd, venue, [])
        finally:
            venue.close()
        assert len(trades) == 1
        rejected[more] = "3" in odd.kinds()[before:] and not named
        odd.orders.clear()
    assert rejected == {"": True, f"{key}=N": False}


def test_15c_what_a_session_does_about_sequence(tmp_path: Path) -> None:
    """A reset with another number than 1 is logged out; a gap fill below the number is passed over if it says that it
    is a duplicate, and ends the session if it does not.
    """
    server = serve_fix(TinyVenue(), 0, ("A", "B", "C"), store=tmp_path / "server")
    try:
        port = server.port
        assert PlainClient(port, "A", number=5).logon[35] == "5"
        again = PlainClient(port, "B")
        again.say(
            "4", [(123, "Y"), (36, 9)], number=1, head=[(43, "Y"), (122, "20200101-00:00:00")]
        )
        again.say("1", [(112, "alive")])
        assert again.hear("0", "5")[112] == "alive"
        low = PlainClient(port, "C")
        low.say("4", [(123, "Y"), (36, 9)], number=1)
        assert low.hear("5")[35] == "5"
        assert low.hear() == {}, "the connection is closed"
    finally:
        server.close()
