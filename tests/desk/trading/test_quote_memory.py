"""A desk's router learns its dealers from the journal: who is near, who answers, what requests move; and it forgets."""

from dataclasses import replace

import numpy as np
import pytest
from tests.desk.trading.quoting import quoting_session, steps, told
from tests.desk.trading.test_quote_requests import order_of

from tercel.core.ports import Entry
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import EntryError, QuoteEntry
from tercel.desk.trading.quote_memory import LEAST, DeskRouter, QuoteMemory
from tercel.execution.outside import Terms
from tercel.execution.routing import Knowledge, Routed, rank_dealers
from tercel.execution.strategies import build
from tercel.market.blocks import CrossingSession
from tercel.market.dealers import load_panel

BASE = dict.fromkeys(
    [(share, block) for share in (0.5, 1.0) for block in (False, True)], (9.0, 20.0)
)
PANEL = load_panel("equity")
NAMES = [f"D{n}" for n in range(10)]
KNOWN = Knowledge.prior(Terms(PANEL, CrossingSession(), lots=100.0), BASE)
MID2 = 200_000
"""Half ticks: a bp of mid is 10 ticks."""


def said(event: str, name: str, **words) -> Entry:
    return Entry(
        kinds.QUOTE,
        0,
        "sh600961",
        "ann",
        "p1",
        body=QuoteEntry(event=event, request=name, mid2=words.pop("mid2", MID2), **words).json(),
    )


def request(name: str, bps: dict[str, float], moved: float = 0.0, side: int = 1) -> list[Entry]:
    """A request for 300 lots whose dealers quote so far from mid (NaN: they decline), the mid moved by so much then."""
    entries = [said("requested", name, side=side, want=side, lots=300, dealers=list(bps), by="")]
    for dealer, far in bps.items():
        if np.isnan(far):
            entries.append(said("declined", name, dealer=dealer, text="no interest"))
            continue
        price = round(MID2 / 2 * (1.0 + side * far / 1e4))
        entries.append(
            said(
                "quoted",
                name,
                id=f"{name}{dealer}",
                dealer=dealer,
                lots=300,
                **{"offer" if side > 0 else "bid": price},
            )
        )
    entries.append(
        said("ended", name, outcome="traded" if any(far < 9 for far in bps.values()) else "expired")
    )
    for after_s in (1.0, 10.0, 60.0):
        mid2 = round(MID2 * (1.0 + side * moved / 1e4))
        entries.append(said("drift", name, after_s=after_s, mid2=mid2))
    return entries


def after(memory: QuoteMemory, requests: int, bps: dict[str, float], **words) -> QuoteMemory:
    for n in range(requests):
        for entry in request(f"q{n}", bps, side=1 - 2 * (n % 2), **words):
            memory.apply(entry)
    return memory


def test_the_nearer_of_two_dealers_is_asked_first_and_a_change_is_found():
    """After 50 requests D3, who quotes 2 bps nearer than D7; 300 requests after they have changed places D7."""
    memory = after(QuoteMemory(KNOWN, NAMES), 50, {"D3": 2.0, "D7": 4.0})
    first = list(rank_dealers(memory.known, 3.0))
    assert first[0] == 3
    assert first.index(3) < first.index(7)
    memory = after(memory, 300, {"D3": 4.0, "D7": 2.0})
    assert rank_dealers(memory.known, 3.0)[0] == 7
    memory = after(QuoteMemory(KNOWN, NAMES), 60, {"D1": 3.0, "D2": float("nan")})
    rate = memory.known.replies / memory.known.requests
    assert (rate[2] < 0.1, rate[1] > 0.9) == (True, True)
    assert list(rank_dealers(memory.known, 3.0))[-1] == 2, "who does not answer is asked last"


def test_drift_after_requests_is_learned():
    """Five who lose and a mid that goes 6 bps each time, beyond what the panel says."""
    quiet, leaky = (
        after(
            QuoteMemory(replace(KNOWN, sure=KNOWN.sure / 100), NAMES),
            150,
            dict.fromkeys(NAMES[:6], 3.0),
            moved=moved,
        ).known
        for moved in (0.0, 6.0)
    )
    assert quiet.moves.sum() < KNOWN.moves.sum() < leaky.moves.sum()
    assert (quiet.moves >= 0.0).all()


def test_the_same_entries_teach_the_same_whatever_else_the_journal_holds():
    """And where a request ends after the last note of the mid."""
    asked = [request(f"q{n}", {"D0": 2.0, "D9": 3.0}) for n in range(5)]
    plain, mixed, late = (QuoteMemory(KNOWN, NAMES) for _ in range(3))
    for entries in asked:
        for entry in entries:
            plain.apply(entry)
            mixed.apply(Entry(kinds.ALERT, 0, body={"text": "?"}))
            mixed.apply(entry)
        for entry in sorted(entries, key=lambda one: one.body["event"] == "ended"):
            late.apply(entry)
    assert not late._open
    mixed.apply(said("quoted", "never asked", id="x", dealer="D0", offer=1, lots=1))
    mixed.apply(said("requested", "without a side", lots=3, dealers=["D0"]))
    for other in (mixed, late):
        for name in ("weight", "shift", "noise", "requests", "replies", "moves"):
            assert (getattr(plain.known, name) == getattr(other.known, name)).all()


def test_strangers_two_way_requests_and_a_market_without_a_mid_teach_no_distance():
    memory = QuoteMemory(KNOWN, NAMES)
    for entry in request("q1", {"nobody": 1.0}):
        memory.apply(entry)
    assert (memory.known.replies <= KNOWN.replies).all()
    memory.apply(said("requested", "q2", side=0, want=-1, lots=300, dealers=["D0"]))
    memory.apply(said("quoted", "q2", id="a", dealer="D0", bid=99_980, offer=100_100, lots=300))
    memory.apply(said("ended", "q2", outcome="expired"))
    assert memory.known.weight[0] > KNOWN.weight[0]
    assert memory.known.shift[0] < 0.0  # 2 bps, as it sold: nearer than the panel says
    dark = QuoteMemory(KNOWN, NAMES)
    dark.apply(said("requested", "q3", want=1, lots=300, dealers=["D0"], mid2=None))
    dark.apply(said("quoted", "q3", id="a", dealer="D0", offer=100_020, lots=300))
    dark.apply(said("ended", "q3", outcome="expired"))
    assert dark.known is KNOWN


def test_a_damaged_entry_is_refused():
    with pytest.raises(EntryError, match="fields"):
        QuoteMemory(KNOWN, NAMES).apply(Entry(kinds.QUOTE, 0, body={"event": 3}))


def worked(session, bps: float, orders: int, lots: int = 5) -> None:
    """Orders that the book alone has worked, at a cost of so many bps."""
    cost = {"is_bps": bps, "filled": lots, "notional": 100.0 * lots}
    session.gateway.write(
        [Entry(kinds.FEEDBACK, 0, "TINY", "ann", f"o{lots}-{n}", body=cost) for n in range(orders)]
    )


def why(session) -> list[str]:
    found = [one.body for _, one in session.journal.read(kinds=(kinds.ALERT,))]
    return [one["text"] for one in found if one["code"] == "routed"]


@pytest.mark.parametrize("bps", [0.0, 400.0])
def test_a_routed_order_of_a_desk_asks_dealers_where_the_book_is_dearer(bps):
    """Its way and the reason are in the journal; before the book's cost is known it goes there."""
    session = quoting_session(panel="equity")
    session.manager.accept(order_of(5, id_="p0", strategy="routed"))
    steps(session)
    worked(session, bps, LEAST)
    session.manager.accept(order_of(5, strategy="routed"))
    steps(session)
    first, second = why(session)
    assert first.startswith("p0: in the book")
    assert len(told(session, "requested")) == (bps > 0.0)
    assert "request to" in second if bps else "p1: book" in second


def test_a_desk_that_begins_again_knows_what_it_knew():
    """One router reads a journal whole, the other as it grows: what both know of dealers and of usual orders is the same.

    The first orders are of 5 lots, later ones of 50; orders of which nothing was filled cost nothing.
    """
    session = quoting_session(panel="equity")
    routed = Routed(build("twap_passive"))
    one, other = (DeskRouter(session.journal, PANEL, ("D1", "D2", "D3"), 1) for _ in range(2))
    worked(session, 0.0, LEAST, 0)
    assert one.choose_route(routed, "TINY", 5)[0].knowledge is None
    worked(session, 400.0, LEAST)
    assert one.choose_route(routed, "TINY", 5)[0].knowledge.requests.tolist() == [4.0, 4.0, 4.0]
    worked(session, 200.0, 20, 50)
    session.manager.accept(order_of(5, strategy="rfq"))
    steps(session)
    session.venue.quote("D2", 101)
    steps(session, 20)
    found = [router.choose_route(routed, "TINY", 5) for router in (one, other)]
    first, second = (strategy.knowledge for strategy, _ in found)
    assert first.replies.tolist() == second.replies.tolist()
    assert first.replies[1] > max(first.replies[0], first.replies[2])
    assert first.terms.lots == second.terms.lots
    assert found[0][1] == found[1][1]
