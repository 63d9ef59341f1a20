"""Reconcile against a plain statement of it: fewest commands, newest cancelled first, no priority given up."""

import random

import numpy as np
from hypothesis import example, given, strategies as st
from tests.market.simulator.audit import audit, commands_of, ledger_of

from tercel.execution import columns as c, intent as it
from tercel.execution.features import features_of, observe
from tercel.execution.intent import CANCEL, KEEP, View
from tercel.execution.reconcile import reconcile
from tercel.execution.step import run
from tercel.execution.strategy import hold
from tercel.market.book import layout as lay
from tercel.market.simulator import layout as sim
from tercel.market.simulator.layout import blank_state
from tercel.market.tape.schema import ADD

FLOW = np.zeros(1)
TAPE = np.array([(0, ADD, 0, 1, 80, 30), (0, ADD, 1, -1, 120, 30)], np.int64)


def market(left=40, side=1, latency=0):
    """A quiet market, 80 at 120, and an order of `left` lots."""
    b = lay.new_book(16, 64, 32)
    k = sim.extend(blank_state(sim.REPLAY), 2)
    k[sim.SIDE], k[sim.QUANTITY], k[sim.LEFT], k[sim.PHASE] = side, left, left, sim.WORKING
    k[sim.HORIZON_NS], k[sim.CURSOR_END], k[sim.FLOW_NS], k[sim.LATENCY_A] = (
        10**12,
        len(TAPE),
        0,
        latency,
    )
    until(b, k, 0)
    return b, k


def until(b, k, ns):
    k[sim.DUE_NS] = ns
    assert run(b, k, FLOW, TAPE) == sim.DUE


def intent(anchor, rest=(), take=0, limit=0, outside=CANCEL, step=1):
    row = it.empty(1)[0]
    row[[it.TAKE, it.TAKE_LIMIT, it.ANCHOR, it.OUTSIDE, it.STEP]] = (
        take,
        limit,
        anchor,
        outside,
        step,
    )
    row[it.REST0 : it.REST0 + len(rest)] = rest
    return row


def want(b, k, row):
    """Reconcile; the commands sent, as (what, number of the own order, price, lots, immediate)."""
    before = int(k[sim.COMMAND_TAIL])
    reconcile(b, k, row)
    led = ledger_of(b)
    sent = (
        commands_of(k)[before - int(k[sim.COMMAND_TAIL]) :] if k[sim.COMMAND_TAIL] > before else []
    )
    out = []
    for command in sent:
        what, who, price, lots, how = command[sim.WHAT : sim.COMMAND].tolist()
        name = "new" if what == sim.NEW else "cancel"
        out.append((name, int(led[who, lay.SENT]), price, lots, bool(how & sim.IMMEDIATE)))
    return out


def live(b):
    """Own lots meant to live by price, oldest order first."""
    found = {}
    for led in sorted(ledger_of(b).tolist(), key=lambda led: led[lay.SENT]):
        if led[lay.STATE] != lay.FREE_SLOT and led[lay.OPEN] > led[lay.PENDING_CANCEL]:
            found.setdefault(led[lay.OWN_PRICE], []).append(led[lay.OPEN] - led[lay.PENDING_CANCEL])
    return found


def plain(b, k, row):
    """What reconcile should send, from the definition. Cancels as a set, new orders in order."""
    side, step = int(k[sim.SIDE]), max(int(row[it.STEP]), 1)
    prices = [int(row[it.ANCHOR]) - side * step * j for j in range(it.K)]
    own = [led for led in ledger_of(b).tolist() if led[lay.STATE] != lay.FREE_SLOT]
    cancels, grow = set(), []
    for price, wanted in zip(prices, row[it.REST0 :].tolist(), strict=True):
        stand = [led for led in own if led[lay.OWN_PRICE] == price]
        there = sorted((led[lay.SENT], led[lay.OPEN] - led[lay.PENDING_CANCEL]) for led in stand)
        excess = sum(max(lots, 0) for _, lots in there) - max(wanted, 0)
        grow.append((price, max(-excess, 0)))
        for number, lots in reversed(there):
            if min(excess, lots) > 0:
                cancels.add(("cancel", number, 0, min(excess, lots), False))
                excess -= min(excess, lots)
    if row[it.OUTSIDE] == CANCEL:
        for led in own:
            lots = led[lay.OPEN] - led[lay.PENDING_CANCEL]
            take = (
                abs(led[lay.OWN_PRICE]) == it.MARKET_LIMIT
            )  # dies on arrival: a cancel would come too late
            if led[lay.OWN_PRICE] not in prices and lots > 0 and not take:
                cancels.add(("cancel", led[lay.SENT], 0, lots, False))
    room = int(k[sim.LEFT]) - sum(led[lay.OPEN] for led in own)
    leaving = bool(cancels) or any(led[lay.PENDING_CANCEL] > 0 for led in own)
    news = []
    for price, lots, now in [
        (int(row[it.TAKE_LIMIT]), int(row[it.TAKE]), True),
        *((p, g, False) for p, g in grow),
    ]:
        if not now and lots > room and leaving:
            break  # a rung is one order: it waits for what leaves
        if min(lots, room) > 0:
            news.append((price, min(lots, room), now))
            room -= min(lots, room)
    return cancels, news


@given(st.integers(0, 2**32), st.sampled_from([1, -1]), st.sampled_from([0, 3, 50]))
def test_commands_are_those_of_the_definition(seed, side, latency):
    rng = random.Random(seed)
    b, k = market(side=side, latency=latency)
    row = None
    for _ in range(12):
        rest = [rng.choice((0, 0, 3, 5, 9, 15)) for _ in range(it.K)]
        take, limit = rng.choice(((0, 0), (0, 0), (4, 100), (6, 100 + 30 * side)))
        anchor = rng.choice((100, 101, 99, 98))
        row = intent(
            anchor, rest, take, limit, rng.choice((KEEP, CANCEL)), rng.choice((0, 1, 1, 2))
        )
        cancels, news = plain(b, k, row)
        sent = want(b, k, row)
        assert {s for s in sent if s[0] == "cancel"} == cancels
        assert len([s for s in sent if s[0] == "cancel"]) == len(cancels)
        assert [s[2:] for s in sent if s[0] == "new"] == news
        audit(b, k)
        until(b, k, int(k[sim.NOW]) + rng.choice((0, 2, 20)))
        audit(b, k)
    # what could not be sent at once has been sent as acknowledgements came in, and nothing else
    until(b, k, int(k[sim.NOW]) + 10_000)
    audit(b, k)
    total = sum(map(sum, live(b).values()))
    wanted = sum(row[it.REST0 :].tolist())
    ladder = {int(row[it.ANCHOR]) - side * max(int(row[it.STEP]), 1) * j for j in range(it.K)}
    on_ladder = sum(sum(lots) for price, lots in live(b).items() if price in ladder)
    assert total <= k[sim.LEFT]
    assert on_ladder == min(wanted, int(k[sim.LEFT]) - (total - on_ladder))


# -- one by one -------------------------------------------------------------------------------------------------------


def test_new_lots_wait_for_cancels_to_be_acknowledged():
    b, k = market(left=10, latency=100)
    want(b, k, intent(100, [10]))
    until(b, k, 1000)
    assert want(b, k, intent(99, [10])) == [("cancel", 0, 0, 10, False)]
    until(b, k, 1099)
    assert len(commands_of(k)) == 1
    until(b, k, 1100)
    assert [int(command[sim.HOW_MANY]) for command in commands_of(k)] == [10], (
        "sent when the cancel was acknowledged"
    )
    until(b, k, 1200)
    assert live(b) == {99: [10]}


def test_a_rung_through_the_far_touch_takes_and_rests_with_the_remainder():
    b, k = market()
    want(b, k, intent(120, [35]))
    until(b, k, 10)
    assert k[sim.LEFT] == 10
    assert live(b) == {120: [5]}


def test_no_command_is_sent_for_prices_that_are_none():
    """int32 anchors reach further than prices do: rungs beyond are held back, whatever the step."""
    for side in (1, -1):
        b, k = market(side=side)
        for anchor in (2**31 - 1, -(2**31), 2**30, -(2**30)):
            for step in (1, 2**31 - 1, -5):
                assert (
                    want(
                        b, k, intent(anchor, [1] if step > 1 else [1] * 5, outside=KEEP, step=step)
                    )
                    == []
                )
        assert want(b, k, intent(100, [3, 3, 3, 3, 3], step=2**31 - 1)) == [
            ("new", 0, 100, 3, False)
        ]
        until(b, k, 10)
        audit(b, k)


def view_of(b, k):
    x, m = np.zeros((1, c.PX), np.int64), np.zeros((1, c.MX), np.int64)
    observe(b, k, x[0], m[0])
    assert np.isfinite(features_of(x, m)).all()
    return View(x, m, np.zeros(1))


def waiting(k):
    """Lots that wait for acknowledgements, by price."""
    side, anchor, step = int(k[sim.SIDE]), int(k[sim.WAITING_ANCHOR]), int(k[sim.WAITING_STEP])
    return {anchor - side * step * j: int(k[sim.WAITING_REST + j]) for j in range(it.K)}


@example(56349414, 1, 50)
@given(st.integers(0, 2**32), st.sampled_from([1, -1]), st.sampled_from([0, 3, 50]))
def test_a_hold_never_sends_anything(seed, side, latency):
    """Whatever stands, flies or waits, but for what waits; also after intents that wanted more than is left."""
    rng = random.Random(seed)
    b, k = market(side=side, latency=latency)
    for _ in range(10):
        touch = 80 if side > 0 else 120
        anchor = touch + side * rng.choice((1, 1, 1, 0, 2, 5, 39, 40, 41))
        rest = [rng.choice((0, 3, 9, 10**6, 2**31 - 1, -7)) for _ in range(it.K)]
        take = rng.choice((0, 0, 3, 2**31 - 1))
        row = intent(
            anchor,
            rest,
            take,
            side * it.MARKET_LIMIT,
            rng.choice((KEEP, CANCEL)),
            rng.choice((1, 1, 2)),
        )
        want(b, k, row)
        until(b, k, int(k[sim.NOW]) + rng.choice((0, 2, 20)))
        audit(b, k)
        if k[sim.LEFT] == 0:
            return
        view = view_of(b, k)
        assert view.rest.sum() + view.outside_lots.sum() <= view.left.sum()
        before, waited = live(b), waiting(k)
        sent = want(b, k, hold(view)[0])
        for (
            what,
            _,
            price,
            lots,
            _,
        ) in sent:  # it waited: for more lots than are left, or for some that a hold forgets
            assert (what, lots <= waited.get(price, 0)) == ("new", True)
        assert sent or live(b) == before
