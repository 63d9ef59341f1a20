"""The faults of a week: what befalls whom, and when, as a seed draws it."""

from __future__ import annotations

import hashlib
import json
import math
import random
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from certify.week.parts import MARKETS, WHALE
from tercel.core import NS_PER_SECOND as SECOND, CancelOrder, MarketRows, NewOrder, Tif
from tercel.desk.trading import follower_of
from tercel.venues import connect

FIRST: Final = ("venue: kill -9", "console: kill -9")
"""In the first session: who lives through the others shows what memory grows by."""
POISONS: Final = ("card", "nan", "extreme", "prices", "policy")
KINDS: Final = (
    *("link: cut", "feed: silent", "feed: sequence gap", "flash crash"),
    *("disk: full", "desk: kill -9", "kill and re-arm"),
    *(f"model: {poison}" for poison in POISONS),
)
"""Anywhere in the week."""
EARLIEST = 0.08
LATEST = 0.85
"""Parts of a session between which faults begin."""
CRASH: Final = 0.05
"""Part of its price by which an instrument falls."""
CRASH_S: Final = 60
"""Seconds of the venue in which it falls, and as many until it has come back."""
MUCH: Final = 1_000_000
"""Lots, more than anybody bids."""
NAMES: Final = ("AAA", "BBB", "CCC", "DDD", "EEE", "FFF")


@dataclass(frozen=True)
class PlannedFault:
    """A fault that is to come: in which session (from 0), after which part of it, and what."""

    session: int
    part: float
    kind: str


def draw_plan(sessions: int, seed: int, kinds: Sequence[str] = ()) -> list[PlannedFault]:
    """Every fault once, at times that the seed draws, none on the heels of another; by time.

    Parameters
    ----------
    sessions : int
    seed : int
    kinds : sequence of str
        These alone; by default all.

    >>> week = draw_plan(5, 1)
    >>> sorted(one.kind for one in week) == sorted([*FIRST, *KINDS]), week == draw_plan(5, 1) != draw_plan(5, 2)
    (True, True)
    >>> {one.session for one in week if one.kind in FIRST}, min(b.part - a.part for a, b in zip(week, week[1:])
    ...     if a.session == b.session) > 0.05
    ({0}, True)
    """
    draw = random.Random(seed)
    wanted = list(kinds or (*FIRST, *KINDS))
    early = [fault_kind for fault_kind in wanted if fault_kind in FIRST]
    rest = [fault_kind for fault_kind in wanted if fault_kind not in FIRST]
    draw.shuffle(early)
    draw.shuffle(rest)
    most = math.ceil(len(wanted) / sessions)
    rows: list[list[str]] = [[] for _ in range(sessions)]
    rows[0] += early
    for kind in rest:
        open_rows = [row for row in rows if len(row) < most]
        draw.choice(open_rows).append(kind)
    plan = []
    for session, row in enumerate(rows):
        draw.shuffle(row)
        step = (LATEST - EARLIEST) / max(len(row), 1)
        for place, kind in enumerate(row):
            plan.append(
                PlannedFault(session, EARLIEST + step * (place + draw.uniform(0.0, 0.5)), kind)
            )
    return plan


# -- models -----------------------------------------------------------------------------------------------------------


def deliver_models(folder: Path, good: Path, poison: str = "") -> None:
    """Put a model folder of forecasts, its prices and a policy where the desk reads them: sound, or poisoned."""
    for name in ("model", "policy"):
        shutil.rmtree(folder / name, ignore_errors=True)
        if (good / name).is_dir():
            shutil.copytree(good / name, folder / name)
    if (good / "prices.csv").exists():
        shutil.copy(good / "prices.csv", folder / "prices.csv")
    if poison:
        {
            "card": _card,
            "nan": _unit(math.nan),
            "extreme": _unit(1e9),
            "prices": _prices,
            "policy": _policy,
        }[poison](folder)


def _card(folder: Path) -> None:
    file = folder / "model" / "card.json"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 4
    file.write_bytes(data)


def _unit(bps: float) -> Callable[[Path], None]:
    """A card whose hash agrees, of a model that forecasts the same for ever: what is no number, or what cannot be."""

    def poison(folder: Path) -> None:
        file = folder / "model" / "card.json"
        card = json.loads(file.read_text())
        card["alpha"]["unit_bps"] = bps
        body = {key: value for key, value in card.items() if key not in ("sha256", "base")}
        file.write_text(
            json.dumps(card | {"sha256": _hash(json.dumps(body, sort_keys=True).encode())})
        )

    return poison


def _prices(folder: Path) -> None:
    """The last day of the files is infinite."""
    file = folder / "prices.csv"
    *lines, last = file.read_text().splitlines()
    cells = last.split(",")
    file.write_text("\n".join([*lines, ",".join([*cells[:2], *["inf"] * 5, *cells[7:]]), ""]))


def _policy(folder: Path) -> None:
    """A network of weights that are no numbers, with a card whose hash agrees."""
    import onnx
    from onnx import numpy_helper

    file = folder / "policy" / "policy.onnx"
    card = folder / "policy" / "card.json"
    network = onnx.load(str(file))
    for weights in network.graph.initializer:
        values = numpy_helper.to_array(weights)
        if values.dtype.kind == "f":
            weights.CopyFrom(numpy_helper.from_array(values * math.nan, weights.name))
    data = network.SerializeToString()
    file.write_bytes(data)
    card.write_text(json.dumps(json.loads(card.read_text()) | {"weights_sha256": _hash(data)}))


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def prices(days: Sequence[str], seed: int) -> str:
    """Daily prices of made names that give back part of their last weeks, as a file of them."""
    draw = random.Random(seed)
    rows: list[tuple[str, str]] = []
    for name in NAMES:
        close = 40.0
        moves = [0.0] * 21
        for day in days:
            opened = close
            moves = [*moves[1:], draw.gauss(-0.08 * sum(moves[-5:]) - 0.02 * sum(moves), 0.02)]
            close *= 1 + moves[-1]
            high = 1.003 * max(opened, close)
            low = 0.997 * min(opened, close)
            cells = (opened, high, low, close, close)
            rows.append(
                (
                    day,
                    f"{day},{name},{','.join(f'{p:.4f}' for p in cells)},{draw.randint(100, 300)}000",
                )
            )
    return "\n".join(
        ["Date,Symbol,Open,High,Low,Close,Adj Close,Volume", *(row for _, row in sorted(rows)), ""]
    )


# -- the flash crash --------------------------------------------------------------------------------------------------


class Whale:
    """Somebody else at the venue, who sells whatever is bid until a price has fallen, and buys it back.

    Parameters
    ----------
    port : int
        Of the venue's FIX.
    instrument : str
    store : Path
        Of the session's numbers.
    """

    def __init__(self, port: int, instrument: str, store: Path) -> None:
        self._name, self._venue = (
            instrument,
            connect(f"fix://{WHALE}@127.0.0.1:{port}", [WHALE], store),
        )
        listing = next(
            candidate for candidate in self._venue.listings() if candidate.instrument == instrument
        )
        self._market = follower_of(self._venue, listing)
        self._mark = f"w{time.time_ns() // 10**6:x}-"
        self._sent = 0
        self._rests = ""

    def crash(self) -> dict[str, float]:
        """Do it: the mid before, at its lowest and after, in ticks, and the seconds of the venue that it took."""
        self._venue.subscribe(self._name)
        self._run(5)
        before = lowest = self._market.mid2 / 2
        began = self._venue.now_ns
        for step in range(1, 7):
            self._cancel()
            self._rests = self._new(-1, round(before * (1 - CRASH * min(step, 5) / 5)), Tif.DAY)
            lowest = min(lowest, self._run(CRASH_S / 6))
        self._cancel()
        for _ in range(12):
            self._new(1, round(before), Tif.IOC)
            if self._run(CRASH_S / 12) >= before * 0.995:
                break
        after = self._market.mid2 / 2
        took = (self._venue.now_ns - began) / SECOND
        self._run(1)
        self._venue.close()
        return {"before": before, "lowest": lowest, "after": after, "took_s": round(took, 1)}

    def _run(self, seconds: float) -> float:
        """Let time pass; the lowest mid of it, ticks."""
        until = self._venue.now_ns + round(seconds * SECOND)
        lowest = math.inf
        while self._venue.now_ns < until or not self._market.mid2:
            for event in self._venue.step(until):
                if isinstance(event, MarketRows) and event.instrument == self._name:
                    self._market.on_market(event)
                    lowest = min(lowest, self._market.mid2 / 2)
        return lowest

    def _new(self, side: int, price: int, tif: Tif) -> str:
        name = self._new_name()
        self._venue.send(
            NewOrder(name, self._name, side, MUCH, price, tif, WHALE, "", self._venue.now_ns)
        )
        return name

    def _cancel(self) -> None:
        if self._rests:
            now_ns = self._venue.now_ns
            self._venue.send(
                CancelOrder(self._new_name(), self._rests, self._name, -1, WHALE, now_ns)
            )
            self._rests = ""

    def _new_name(self) -> str:
        self._sent += 1
        return f"{self._mark}{self._sent}"


def instruments() -> Mapping[str, str]:
    """Names that the model has for what is traded."""
    return dict(zip(MARKETS, NAMES, strict=False))
