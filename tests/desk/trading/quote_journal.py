"""Journals of requests for quotes: entries written by hand, and random ones with the plain rows that they tell."""

import random
from dataclasses import dataclass, field
from typing import Any

from tercel.core.fixed_point import ONE
from tercel.core.orders import ExecType, NewOrder, OrdStatus, Report, Tif
from tercel.core.ports import Entry
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import QuoteEntry
from tercel.desk.trading.journal.codec import entry_in, entry_out

S = 10**9
LISTED = {"tick": 0.01, "lot": 100, "currency": "USD"}
NAME, AGENT = "XYZ", "ppo"


def session() -> Entry:
    """The session that all of these are of."""
    body = {"session": 1, "venue": "v", "holder": "t", "resume": False}
    return Entry(kinds.SESSION, 1, body=body | {"listings": {NAME: LISTED}})


def parent(name: str = "p1", side: int = 1, lots: int = 500) -> Entry:
    body = {"event": "accepted", "side": side, "lots": lots, "horizon_ns": 3600 * S}
    return Entry(kinds.PARENT, 2, NAME, AGENT, name, body=body | {"decisions": 9, "strategy": "x"})


def said(
    event: str, ns: int, request: str = "r1", *, of: str = "p1", order: str = "", **words: Any
) -> Entry:
    body = QuoteEntry(event=event, request=request, **words).json()
    return Entry(kinds.QUOTE, ns, NAME, AGENT, of, order, body)


def asked(ns: int, request: str = "r1", *, of: str = "p1", want: int = 1, **words: Any) -> Entry:
    told = {
        "mid2": 20_000,
        "side": want,
        "lots": 50,
        "until_ns": ns + 30 * S,
        "dealers": ["A", "B", "C"],
        "by": "",
    }
    return said("requested", ns, request, of=of, want=want, **told | words)


def quoted(ns: int, id_: str, dealer: str, price: int, *, side: int = 1, **words: Any) -> Entry:
    """A quote for who buys (1) or sells (-1)."""
    told = {"mid2": 20_000, "lots": 50, "until_ns": ns + 20 * S, "event": "quoted"} | words
    told |= {"offer": price} if side > 0 else {"bid": price}
    return said(told.pop("event"), ns, id=id_, dealer=dealer, **told)


def order_and_report(
    name: str, side: int, lots: int, price: int, ns: int, of: str, *, rejected: bool
) -> list[Entry]:
    """An order for all of its lots, and what the venue says of it."""
    kind, status = (
        (ExecType.REJECTED, OrdStatus.REJECTED) if rejected else (ExecType.TRADE, OrdStatus.FILLED)
    )
    order = NewOrder(name, NAME, side, lots, price, Tif.IOC, AGENT, of, ns)
    filled = 0 if rejected else lots * ONE
    told = Report(
        f"e{name}", kind, status, name, "", f"o{name}", AGENT, NAME, side, lots, price,
        filled, 0 if rejected else price * ONE, filled, 0, ns + 1, False,
    )  # fmt: skip
    return [entry_out(order), entry_in(told, of)]


@dataclass
class Row:
    """A request as plain numbers: ticks, lots, seconds."""

    id: str
    want: int
    mid: float
    outcome: str
    dealers: list[str]
    answers: list[dict[str, Any]] = field(default_factory=list)
    """Last quote of a dealer that answers: dealer, first (s), price, mid, lots."""
    takes: list[dict[str, Any]] = field(default_factory=list)
    """dealer, price, mid, cover, rejected, lots, later (lots and prices)."""
    after: dict[int, float | None] = field(default_factory=dict)


def story(seed: int, requests: int = 25) -> tuple[list[Entry], list[Row]]:
    """A journal of random requests, and what happened."""
    draw, entries, rows, ns = random.Random(seed), [session()], [], 10 * S
    for number in range(requests):
        name, of, want = f"r{number}", f"p{number}", draw.choice((-1, 1))
        dealers = draw.sample("ABCDE", draw.randint(1, 5))
        mid2 = 20_000 + draw.randint(-400, 400)
        row = Row(name, want, mid2 / 2, "", dealers)
        entries += [parent(of, want), asked(ns, name, of=of, want=want, mid2=mid2, dealers=dealers)]
        entries += order_and_report(f"{of}.8", want, 40, mid2 // 2, ns, of, rejected=False)
        standing = dict[str, tuple[str, int]]()
        at = ns
        for dealer in dealers:
            first = None
            for turn in range(draw.choice((0, 1, 1, 1, 2))):
                at += draw.randint(1, 900) * 10**6
                now2, id_ = mid2 + draw.randint(-6, 6), f"{name}-{dealer}{turn}"
                price = mid2 // 2 + want * draw.randint(-1, 12)
                bad = draw.random() < 0.1
                words = {
                    "id": id_,
                    "dealer": dealer,
                    "mid2": now2,
                    "lots": 50,
                    "until_ns": ns + 25 * S,
                }
                words |= {"offer": price} if want > 0 else {"bid": price}
                words |= {"text": "a bid above the offer"} if bad else {}
                entries.append(said("unusable" if bad else "quoted", at, name, of=of, **words))
                if not bad:
                    first = first if first is not None else (at - ns) / S
                    row.answers = [one for one in row.answers if one["dealer"] != dealer]
                    row.answers.append(
                        {"dealer": dealer, "first": first, "price": price, "mid": now2 / 2}
                    )
                    standing[dealer] = id_, price
                    if draw.random() < 0.1:
                        at += 1
                        entries.append(said("withdrawn", at, name, of=of, id=id_, dealer=dealer))
                        del standing[dealer]
            if first is None and draw.random() < 0.5:
                entries.append(said("declined", at, name, of=of, dealer=dealer, text="no interest"))
        at += S
        while standing and draw.random() < 0.75 and row.outcome != "traded":
            ranked = sorted(standing, key=lambda one: want * standing[one][1])
            dealer = ranked[0] if draw.random() < 0.8 else ranked[-1]
            id_, price = standing.pop(dealer)
            rejected, now2 = draw.random() < 0.3, mid2 + draw.randint(-8, 8)
            order = f"{of}.{len(row.takes)}"
            at += 10
            took = {
                "dealer": dealer,
                "price": price,
                "mid": now2 / 2,
                "rejected": rejected,
                "at": at,
            }
            took["cover"] = sorted(
                [price, *(one for _, one in standing.values())], key=lambda one: want * one
            )
            row.takes.append(took)
            entries.append(
                said("accepted", at, name, of=of, order=order, id=id_, mid2=now2, by="ann")
            )
            entries += order_and_report(order, want, 50, price, at + 2, of, rejected=rejected)
            took["filled"] = [] if rejected else [price] * 50
            row.outcome = "rejected" if rejected else "traded"
        if not row.outcome:
            row.outcome = draw.choice(("expired", "passed")) if row.answers else "unanswered"
        if row.outcome == "rejected" and draw.random() < 0.6:  # what is left is bought elsewhere
            for turn in range(draw.choice((1, 2, 3))):
                lots, price = draw.choice((20, 30, 80)), mid2 // 2 + want * draw.randint(0, 9)
                when = at + (turn + 1) * S // 10
                told = (f"{of}.{9 + turn}", want, lots, price, when, of)
                entries += order_and_report(*told, rejected=False)
                row.takes.append({"filled": [price] * lots, "at": when})
        entries.append(said("ended", at + 2 * S, name, of=of, outcome=row.outcome))
        for after in (1, 10, 60):
            there = None if draw.random() < 0.1 else mid2 + draw.randint(-30, 30)
            row.after[after] = None if there is None else there / 2
            entries.append(said("drift", ns + after * S, name, of=of, after_s=after, mid2=there))
        rows.append(row)
        ns += 100 * S
    return entries, rows
