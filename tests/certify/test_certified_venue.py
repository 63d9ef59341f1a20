"""Orders at our acceptor, case by case in every profile; and broken venues, which fail where they should."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings, strategies as st

from certify.fix.case import Bench, run
from certify.fix.peer_desk import Floor, PeerDesk
from certify.fix.suite import all_cases, reasons
from certify.tiny import TinyVenue
from exchange.fix import service, translate
from exchange.fix.counterparties import Counterparty
from exchange.fix.publisher import Publisher
from exchange.fix.service import VenueService
from tercel.core.fixed_point import ONE
from tercel.core.link.price_scale import PriceScale
from tercel.core.orders import MassCancel, OrdStatus
from tercel.fix.profiles import load

O_IDS = [f"O{n:02d}" for n in range(1, 39) if n not in (24, 25, 27, 32, 36, 37)]
ORDERS = {one.id: one for one in all_cases() if one.role == "acceptor" and one.id[0] == "O"}


def test_every_order_case_that_is_an_acceptors_is_there():
    assert sorted(ORDERS) == O_IDS


@pytest.mark.parametrize("profile", ["generic-44", "generic-42", "tercel", "binance"])
@pytest.mark.parametrize("id_", O_IDS)
def test_an_order_case_at_the_acceptor(id_, profile, tmp_path):
    terms = load(profile)
    if id_ in reasons(profile, terms.profile.version):
        return
    ended = run(ORDERS[id_], Bench(terms, tmp_path))
    assert ended.passed, ended.detail


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["new", "new", "cancel", "replace", "ask", "sell", "bust"]),
        st.integers(0, 9),
        st.integers(1, 9).map(lambda lots: 10 * lots),
        st.sampled_from(["4.50", "5.00", "5.05", "5.10", "5.02"]),
    ),
    max_size=14,
)


def act(floor, desk, seller, names, step):
    what, which, qty, price = step
    name = names[which % len(names)]
    if what == "new":
        names.append(desk.send(qty, price))
    elif what == "replace":
        names.append(desk.replace(name, qty, price))
    elif what == "cancel":
        desk.cancel(name)
    elif what == "ask":
        desk.peer.say("H", [(11, name), (55, "TINY"), (54, "1")])
    elif what == "sell":
        seller.send(qty, price, {54: "2"})
        seller.peer.sync()
    elif trades := floor.trades():
        floor.staffed.rebook(trades[which % len(trades)])
    floor.turn()


@pytest.mark.parametrize("profile", ["generic-42", "generic-44"])
@given(steps=STEPS)
@settings(max_examples=20, deadline=None)
def test_whatever_is_asked_for_reports_add_up(profile, steps):
    """The desk's own sums are the oracle: of every report, and of how an order stands when a request is refused."""
    with TemporaryDirectory() as folder, Floor(Bench(load(profile), Path(folder))) as floor:
        desk, seller = PeerDesk(floor, floor.log_on()), PeerDesk(floor, floor.join("OTHER"))
        names, stands = ["nobody"], {}
        for step in steps:
            act(floor, desk, seller, names, step)
            for said in desk.peer.sync():
                if said.kind == "9":
                    known = desk.tickets.get(said.get(41))
                    number = known.order_id if known is not None else ""
                    assert said.get(39) == stands.get(number, "8")
                    assert said.get(37) == (number or "NONE")
                    desk.tickets.pop(said.get(11), None)  # no order ever had that name
                    continue
                ticket = desk.check(said)
                if desk.kind(said) == "I":
                    assert said.get(39) == stands.get(ticket.order_id, "8")
                elif said.get(39) != "8":
                    stands[ticket.order_id] = said.get(39)
        desk.quiet()
        floor.audit(desk.peer)


def everything(self, command):
    obeyed(self, replace(command, instrument="") if isinstance(command, MassCancel) else command)


def other_sums(report, *more, **words):
    return translate_out(
        replace(report, cum_qty=report.cum_qty + ONE * bool(report.last_qty)), *more, **words
    )


def other_mean(report, scale, average, *more, **words):
    return translate_out(report, scale, average + bool(average), *more, **words)


def own_name(self, message):
    told = outward(self, message)
    return replace(told, cl_ord_id=f"{told.cl_ord_id}-1") if getattr(told, "last_qty", 0) else told


def no_ref(report, *more, **words):
    return translate_out(replace(report, ref=""), *more, **words)


def twice(self, party, account, fields):
    for _ in range(2):
        copied(self, party, account, fields)


translate_out, outward, copied = translate.report_out, Counterparty.outward, VenueService._copy
obeyed = TinyVenue._execute
FAULTS = {
    "CumQty is off": (
        translate,
        "report_out",
        other_sums,
        ["O01", "O02", "O07", "O13", "O16", "O28"],
    ),
    "AvgPx is off": (translate, "report_out", other_mean, ["O02", "O07", "O20", "O21"]),
    "fills have a name of their own": (Counterparty, "outward", own_name, ["O01", "O16", "O28"]),
    "busts name no execution": (translate, "report_out", no_ref, ["O20", "O21"]),
    "copies come twice": (VenueService, "_copy", twice, ["O31"]),
    "refusals call it rejected": (
        Counterparty,
        "status_of",
        lambda *_: OrdStatus.REJECTED,
        ["O10", "O14", "O15", "O26"],
    ),
    "reasons are left out": (
        translate,
        "cancel_reject_code",
        lambda *_: "99",
        ["O08", "O09", "O11", "O14"],
    ),
    "names are taken again": (TinyVenue, "_use_name", lambda *_: False, ["O11", "O33"]),
    "nothing trades": (
        TinyVenue,
        "_match",
        lambda *_: None,
        ["O01", "O02", "O04", "O05", "O13", "O16"],
    ),
    "nobody is cancelled who leaves": (
        VenueService,
        "handle_disconnect",
        lambda self, party: party.hang_up(),
        ["O30"],
    ),
    "a DK is not known": (service, "_IGNORED", frozenset(), ["O22"]),
    "changes of the book are not told": (Publisher, "publish", lambda *_: None, ["O38"]),
    "unsubscribing does nothing": (Publisher, "forget", lambda *_: None, ["O38"]),
    "mass cancels mean everybody": (TinyVenue, "_execute", everything, ["O29"]),
    "whatever is asked for is taken": (PriceScale, "lots", lambda self, text: 1, ["O14", "O35"]),
    "fields that nobody deals in are passed over": (service, "_NOT_DEALT_IN", (), ["O03"]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_venue_fails_its_cases(fault, tmp_path, monkeypatch):
    owner, name, wrong, ids = FAULTS[fault]
    monkeypatch.setattr(owner, name, wrong)
    monkeypatch.setattr("certify.fix.wire.PATIENCE_S", 0.5)
    passed = [
        id_ for id_ in ids if run(ORDERS[id_], Bench(load("generic-44"), tmp_path / id_)).passed
    ]
    assert passed == []
