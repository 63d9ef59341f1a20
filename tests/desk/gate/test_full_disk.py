"""A file system that is really full: what is open is cancelled at the venue whatever disk, journal and store do.

The gate is a process of its own on a file system of 3 MB. The venue cancels nothing by itself.
"""

import resource
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from tests.desk.gate.at_plain_venue import Place
from tests.desk.trading.desk_of_two import WIDE
from tests.waiting import until

from certify.faults.disk import SmallDisk
from tercel.core.errors import JournalError
from tercel.core.fixed_point import ONE
from tercel.core.orders import NewOrder, Tif
from tercel.desk.limits import LimitGate, parse
from tercel.desk.trading.journal.store import SqlJournal
from tercel.desk.trading.session_opening import open_session
from tercel.desk.trading.session_terms import SessionTerms
from tercel.execution.strategies import build
from tercel.venues.address import connect


@pytest.fixture
def place_of(tmp_path: Path) -> Iterator[Callable[..., Place]]:
    with ExitStack() as stack:
        yield lambda **options: Place(tmp_path / "gate", stack, **options)


@pytest.fixture
def resting(place_of) -> Callable[..., tuple[Place, SmallDisk]]:
    """A gate on a small disk, and orders that rest at its venue."""

    def made(**options) -> tuple[Place, SmallDisk]:
        place = place_of(**options)
        disk = place.disk("state")
        place.start()
        place.rest()
        return place, disk

    return made


SOONER = {(20_000, "all"): [], (0, "none"): [pytest.mark.long]}
"""Bytes left and kind of mass cancel that are tried before a release."""
EXACTLY = [
    pytest.param(left, mass, marks=SOONER.get((left, mass), [pytest.mark.release]))
    for left in (0, 4096, 20_000, 100_000)
    for mass in ("none", "all")
]


@pytest.mark.parametrize(("left", "mass"), EXACTLY)
def test_a_disk_that_fills_up_in_trading_leaves_nothing_open(resting, left, mass):
    place, disk = resting(mass=mass)
    disk.fill(left)
    place.trade_on()
    place.fell()
    disk.free()
    place.goes_on()


def test_a_fill_that_a_full_disk_cannot_take_ends_the_gate_and_is_booked_by_the_next(resting):
    place, disk = resting()
    disk.fill()
    place.venue.fill("p3.1", 10)
    until(lambda: place.code() is not None, what="the end of the gate")
    place.fell()
    disk.free()
    place.goes_on()
    assert place.venue.orders["p3.1"].status == "2"
    place.start()
    place.step()
    assert place.session.positions("ann") == {"XYZ": 10 * ONE}
    assert place.stop() == 0


@pytest.mark.parametrize("full", ["journal", "store"])
def test_one_of_two_disks_that_is_full_is_enough(place_of, full):
    """The journal and the numbers of the session on different disks."""
    place = place_of()
    disks = {"journal": place.disk("state"), "store": place.disk("state/fix")}
    place.start()
    place.rest()
    disks[full].fill()
    place.trade_on()
    place.fell()
    disks[full].free()
    place.goes_on()


def test_a_gate_that_left_orders_behind_does_not_start_on_a_full_disk_and_ends_them_when_there_is_room(
    resting,
):
    place, disk = resting()
    assert place.gate is not None
    place.gate.kill()
    place.gate.wait()
    (place.folder / "gate.sock").unlink()
    disk.fill()
    with pytest.raises(AssertionError, match="to go on"):
        place.start()
    assert place.code() == 2
    assert "Traceback" not in place.said
    disk.free()
    place.goes_on()


def test_a_disk_without_room_for_another_file_trades_on(place_of):
    place = place_of()
    place.disk("state", files=64)
    place.start()
    place.rest()
    with suppress(OSError):
        for n in range(100):
            (place.folder / "state" / f"file{n}").touch()
    with pytest.raises(OSError, match="No space"):
        (place.folder / "state" / "another").touch()
    place.rest()
    assert place.stop() == 0, place.said
    assert place.venue.open == []


def test_a_process_that_can_write_nothing_at_all_cancels_and_the_next_session_goes_on_behind_its_numbers(
    place_of,
):
    """Not even in place: the venue is ahead of every number that is written down."""
    place = place_of()
    place.start()
    place.rest()
    assert place.gate is not None
    resource.prlimit(place.gate.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    place.trade_on()
    assert place.venue.open == []
    assert place.code() == 2
    before = len(place.venue.heard)
    place.start()
    place.rest(2)
    assert len(place.venue.refused) == 1
    assert "too low" in place.venue.refused[0]
    logons = [said for _, said in place.venue.heard[before:] if said[35] == "A"]
    assert len(logons) == 2
    assert not any(141 in said for said in logons), "no number is used twice: nothing is reset"
    assert place.stop() == 0


def test_a_desk_without_a_gate_cancels_too(place_of):
    """A session of its own over FIX, its journal and its numbers on the disk that is full."""
    place = place_of()
    disk = place.disk("state")
    folder, accounts = place.folder / "state", ("ann",)

    def begun():
        fix = connect("fix:venue.toml", accounts, folder / "fix", place.folder)
        limits = LimitGate(parse(WIDE), fix.listings(), accounts)
        terms = SessionTerms(warmup_s=0.0)
        return open_session(fix, SqlJournal(folder), limits, lambda name, _: build(name), terms)

    session = begun()
    follower = session.follow("XYZ")

    def known():
        session.step(session.now_ns + 10_000_000)
        return follower.ready

    until(known, what="a market")
    session.limits.register_parent("p", "XYZ", "ann", 1, 100)
    orders = [
        NewOrder(f"p.{n}", "XYZ", 1, 10, 990 - n, Tif.DAY, "ann", "p", session.now_ns)
        for n in range(3)
    ]
    assert session.gateway.submit(orders).denied == []
    until(lambda: len(place.venue.open) == 3, what="orders at the venue")
    disk.fill()
    place.venue.fill("p.2", 10)

    def fails():
        try:
            session.step(session.now_ns + 10_000_000)
        except JournalError:
            return True
        return False

    until(fails, what="a journal that cannot be written")
    session.close()
    assert place.venue.open == []
    assert place.venue.kinds()[-1] == "5"
    disk.free()
    again = begun()
    assert {line.order: line.venue for line in again.recovered} == {
        "p.0": "canceled",
        "p.1": "canceled",
        "p.2": "filled",
    }
    assert again.ledger.positions.of("ann", "XYZ").qty == 10 * ONE
    again.close()


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("left", [0, 4096, 20_000])
def test_a_full_disk_is_not_taken_for_a_damaged_journal(place_of, left, begun):
    """An acknowledgement would set a whole journal aside, or hide that there is no room for a new one."""
    place = place_of()
    disk = place.disk("state")
    desk = place.folder / "state" / "desk"
    if begun:
        SqlJournal(desk).close()
    else:
        desk.mkdir()
    disk.fill(left)
    for reason in ("", "because"):
        with pytest.raises(JournalError, match="check the space left"):
            SqlJournal(desk, acknowledge=reason)
    disk.free()
    SqlJournal(desk).close()
    assert not list(desk.glob("*damaged*"))
