"""A busy day's journal, quickly: agents with parents, orders, fills, marks and decisions, as many entries as wanted."""

from collections.abc import Iterator

from tercel.core import ONE, Entry, ExecType, NewOrder, OrdStatus, Report, Tif
from tercel.desk.trading.journal import entry_in, entry_out, kinds

S = 10**9
MINUTE = 60 * S
LISTED = {"tick": 0.01, "lot": 100, "currency": "USD", "fees": [-20_000_000, 60_000_000, 0, 0]}


def a_day(
    entries: int, agents: int = 10, instruments: int = 5, day_s: int = 23_400
) -> Iterator[Entry]:
    """So many entries over a day: each parent is of ten orders with two fills each, and ends."""
    names = [f"N{number}" for number in range(instruments)]
    body = {
        "session": 1,
        "venue": "v",
        "holder": "",
        "resume": False,
        "listings": dict.fromkeys(names, LISTED),
    }
    yield Entry(kinds.SESSION, S, body=body)
    made, minute, number = 1, 0, 0
    ns = S
    while made < entries:
        agent, name, side = (
            f"a{number % agents}",
            names[number % instruments],
            1 if number % 2 else -1,
        )
        for one in _parent(f"p{number}", agent, name, side, ns, number):
            if one.ns // MINUTE > minute:
                minute = one.ns // MINUTE
                for at, each in enumerate(names):
                    mid = 1000 + (minute * (7 + at)) % 13
                    yield Entry(
                        kinds.MARKET, one.ns, each, body={"bid": mid, "ask": mid + 2, "unit": 1.0}
                    )
                    made += 1
            yield one
            made += 1
            ns = S + day_s * S * made // entries
        number += 1


def _parent(parent: str, agent: str, name: str, side: int, ns: int, number: int) -> Iterator[Entry]:
    words = {"side": side, "lots": 100, "horizon_ns": 600 * S, "decisions": 10, "strategy": "t"}
    yield Entry(kinds.PARENT, ns, name, agent, parent, body={"event": "accepted", **words})
    yield Entry(kinds.PARENT, ns, name, agent, parent, body={"event": "arrived", "mid2": 2002})
    for child in range(10):
        order, at = f"{parent}.{child + 1}", ns + (child + 1) * S // 100
        yield Entry(
            kinds.DECISION,
            at,
            name,
            agent,
            parent,
            body={"n": child, "intent": [5] * 10, "commands": [order]},
        )
        yield entry_out(NewOrder(order, name, side, 10, 1001, Tif.DAY, agent, parent, at))
        for done in (5, 10):
            state = OrdStatus.FILLED if done == 10 else OrdStatus.PARTIALLY_FILLED
            filled = Report(
                f"{order}.{done}", ExecType.TRADE, state, order, "", f"v{order}", agent, name, side, 10, 1001,
                5 * ONE, (998 + (number + child) % 7) * ONE, done * ONE, (10 - done) * ONE, at, bool(number % 3),
            )  # fmt: skip
            yield entry_in(filled, parent)
    yield Entry(
        kinds.PARENT,
        ns + 20,
        name,
        agent,
        parent,
        body={"event": "done", "filled": 100, "left": 0, "refused": 0},
    )
    cost = {
        "is_bps": number % 11 - 3.0,
        "filled": 100,
        "unfilled": 0,
        "refused": 0,
        "notional": 1e5,
    }
    yield Entry(kinds.FEEDBACK, ns + 21 * S // 100, name, agent, parent, body=cost)
