"""What is wrong at the end of a run: the market's own record against the journals of gate and desk."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from certify.faults.actors import AGENTS, LIVE, LOG, TRUTH, Place, ledger_state
from certify.faults.world import Record, Window
from tercel.core import to_number
from tercel.desk.trading import KillLatch, Ledger
from tercel.desk.trading.journal import JournalReader, verify
from tercel.desk.trading.risk.kill_switch import LATCH

_ON_ITS_WAY_S: Final = 1.0
"""An order may have been on its way to the market when the kill switch engaged."""


Trades = Mapping[str, Sequence[tuple[str, str, int]]]


@dataclass(frozen=True)
class FaultVerdict:
    """Of a run.

    Parameters
    ----------
    kills : int
    lost, doubled : int
        Executions of the market that a journal lacks; that one has booked twice or invented, and names that reached
        the market twice.
    orphans : int
        Orders that work at the market when everything is over.
    unwatched_s : float
        Longest time that an order worked while nobody watched it.
    positions_equal : bool
        Of market, gate and desk.
    faults : tuple of str
        Everything else: journals that are damaged, states that differ, limits that were passed.
    """

    kills: int
    lost: int
    doubled: int
    orphans: int
    unwatched_s: float
    positions_equal: bool
    faults: tuple[str, ...]


def count_differences(trades: Trades, fills: Iterable[tuple[str, str]]) -> tuple[int, int]:
    """Executions of the market that are not booked, and those booked twice or never made.

    >>> count_differences({"ann": [("e1", "a", 5), ("e2", "b", 5)]}, [("ann", "e1"), ("ann", "e1"), ("ann", "e9")])
    (1, 2)
    """
    ours = Counter(fills)
    theirs = {(account, trade[0]) for account, made in trades.items() for trade in made}
    return len(theirs - set(ours)), sum(n - 1 for n in ours.values()) + len(set(ours) - theirs)


def longest_unwatched(
    orders: Iterable[tuple[float, float]], windows: Iterable[Window]
) -> tuple[float, str]:
    """The longest time, s, that an order (from, to) worked in a window in which nobody watched, and in which.

    >>> longest_unwatched([(0.0, 4.0), (2.0, 9.0)], [Window("a", 3.0, 5.0), Window("b", 8.5, 20.0)])
    (2.0, 'a')
    """
    orders = list(orders)
    spans = [
        (min(to, w.ended) - max(since, w.began), w.cause) for w in windows for since, to in orders
    ]
    return max(spans, default=(0.0, "")) if spans and max(spans)[0] > 0 else (0.0, "")


def judge(place: Place, record: Record) -> FaultVerdict:
    """Compare what everybody wrote down."""
    truth = json.loads((place.folder / TRUTH).read_text())
    lines = [json.loads(line) for line in (place.folder / LOG).read_text().splitlines()]
    orders = _orders(lines)
    names = _names(lines)
    faults = list[str]()
    lost = doubled = 0
    positions = [_nonzero(truth["positions"])]
    for who, folder in (("gate", place.gate), ("desk", place.desk)):
        if (sound := verify(folder)).fault:
            faults.append(f"the journal of the {who}: {sound.fault}")
        ledger = Ledger.of(JournalReader(folder))
        missing, extra = count_differences(
            truth["trades"], [(fill.account, fill.exec_id) for fill in ledger.orders.fills]
        )
        lost = lost + missing
        doubled = doubled + extra
        faults += [f"{who}: {fault}" for fault in ledger.faults()]
        faults += [f"{who}: {order.root} is {order.status}" for order in ledger.orders.live()]
        positions.append(_nonzero(ledger.positions.qty()))
        if who == "desk":
            faults += _states(folder, ledger)
            faults += _parents(ledger, truth["trades"])
    doubled += sum(n - 1 for n in names.values())
    faults += _latch_faults(lines, record, KillLatch(place.desk / LATCH))
    longest, cause = longest_unwatched(orders, record.windows)
    if longest > 5.0:
        faults.append(f"an order worked for {longest:.1f} s after: {cause}")
    return FaultVerdict(
        kills=record.kills,
        lost=lost,
        doubled=doubled,
        orphans=sum(len(truth["open"][account]) for account in AGENTS),
        unwatched_s=longest,
        positions_equal=all(position == positions[0] for position in positions),
        faults=tuple(faults),
    )


def _orders(lines: list[Any]) -> list[tuple[float, float]]:
    """From when to when each order worked, s."""
    began: dict[str, float] = {}
    ended: dict[str, float] = {}
    for when, kind, _, name, _, leaves in lines:
        if kind == "report" and leaves:
            began.setdefault(name, when)
            ended[name] = float("inf")
        elif kind == "report":
            ended[name] = when
    return [(since, ended[name]) for name, since in began.items()]


def _names(lines: list[Any]) -> Counter[tuple[str, str]]:
    return Counter((account, name) for _, kind, account, name, *_ in lines if kind == "sent")


def _nonzero(positions: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    held = {
        who: {name: lots for name, lots in sorted(of.items()) if lots}
        for who, of in sorted(positions.items())
    }
    return {who: of for who, of in held.items() if of}


def _states(folder: Path, ledger: Ledger) -> list[str]:
    """The journal read again gives what the desk believed as it closed."""
    live = json.loads((folder / LIVE).read_text())
    replayed = ledger_state(ledger)
    return [
        f"desk: {name} was {live[name]}, the journal says {replayed[name]}"
        for name in live
        if live[name] != replayed[name]
    ]


def _parents(ledger: Ledger, trades: Trades) -> list[str]:
    """No parent is filled beyond its lots, at the market too."""
    filled: Counter[str] = Counter()
    for made in trades.values():
        for _, name, qty in made:
            order = ledger.orders.get(name.partition("/")[2])
            if order is not None:
                filled[order.parent] += abs(qty)
    return [
        f"parent {parent.id} of {parent.lots}: {parent.filled} filled here, {to_number(filled[parent.id])} at the market"
        for parent in ledger.parents
        if parent.filled_qty != filled[parent.id] or parent.filled > parent.lots
    ]


def _latch_faults(lines: list[Any], record: Record, latch: KillLatch) -> list[str]:
    """Nobody who was killed sent an order, and the latch remembers every kill."""
    faults = [
        f"{account} was killed, and sent {name} {when - since:.1f} s later"
        for who, since, to in record.held
        for when, kind, account, name, command_type, _ in lines
        if kind == "sent"
        and command_type == "NewOrder"
        and account == who
        and since + _ON_ITS_WAY_S < when < to
    ]
    kills = sum(entry["what"] == "kill" for entry in latch.state().history)
    return (
        faults
        if kills == len(record.held)
        else [*faults, f"{kills} kills in the latch, {len(record.held)} made"]
    )
