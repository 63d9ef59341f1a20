"""What a run is told of its venue: fees and latencies, as typed at the command line."""

import math
from pathlib import Path

from tercel.core.errors import ConfigError
from tercel.core.names import check_known
from tercel.execution.task import Latency
from tercel.market.impact.law import LAWS
from tercel.market.impact.propagator import TAPE_LAWS
from tercel.market.simulator.terms import Fees, receive_delays
from tercel.market.tape import Lake

MOST_MS = 60_000.0
TAPE_LAW = "square_root"
"""Law of impact on a tape, if none is named."""
TAPE = "tape"


def fees_of(text: str) -> Fees:
    """Fees as MAKER,TAKER in price units per share, or in basis points of the value: MAKER,TAKERbps.

    >>> fees_of("-0.002,0.003"), fees_of("1,5bps").unit
    (Fees(maker=-0.002, taker=0.003, unit='share'), 'bps')
    """
    unit = "bps" if text.endswith("bps") else "share"
    try:
        maker, taker = (float(part) for part in text.removesuffix("bps").split(","))
    except ValueError as error:
        remedy = "such as `fees=-0.002,0.003` (price units a share) or `fees=1,5bps`; below 0 is a rebate"
        raise ConfigError("fees as MAKER,TAKER", f"`fees={text}`", remedy) from error
    return Fees(maker, taker, unit)


def latency_of(text: str, name: str, lake: str = "", symbol: str = "") -> Latency:
    """A latency as typed, in milliseconds: X, evenly on A,B, or `tape`: what the symbol's first day says of receipt.

    >>> latency_of("2.5", "latency").a_ns, latency_of("1,3", "latency").kind
    (2500000, 'uniform')
    """
    if text == TAPE:
        if not lake:
            raise ConfigError("a recorded day to take the latency from", f"`{name}=tape`", "add `tape=` and `symbol=`")
        lake_of = Lake(lake)
        _, events = lake_of.read(symbol, next(iter(lake_of.days(symbol))))
        return Latency("empirical", values_ns=receive_delays(events))
    try:
        bounds = [float(part) for part in text.split(",")]
    except ValueError:
        bounds = []
    if not 1 <= len(bounds) <= 2 or any(not (math.isfinite(ms) and 0 <= ms <= MOST_MS) for ms in bounds):
        remedy = f"such as `{name}=5`, `{name}=2,10` or, with `tape=`, `{name}=tape`"
        raise ConfigError(f"milliseconds from 0 to {MOST_MS:,.0f}, or two bounds", f"`{name}={text}`", remedy)
    low, *high = (round(ms * 1e6) for ms in bounds)
    return Latency("uniform", low, high[0]) if high else Latency("constant", low)


def law_of(name: str | None, on_tape: bool) -> str:
    """A law of impact by name; of a preset "" is what it carries, of a tape what :data:`TAPE_LAW` says.

    >>> law_of(None, True), law_of("none", False)
    ('square_root', 'none')
    """
    if name is None:
        return TAPE_LAW if on_tape else ""
    laws, where = (TAPE_LAWS, "a tape") if on_tape else (LAWS, "a preset's market")
    check_known(name, laws, f"an impact law of {where}:", f"`impact={name}`", ConfigError)
    return name


def tape_of(lake: Path | None, symbols: str | None) -> tuple[str, str]:
    """The lake and the first symbol that a latency may be taken from; empty where there are none."""
    return ("", "") if lake is None or not symbols else (str(lake), symbols.partition(",")[0].strip())


def in_words(fees: Fees, entry: Latency, feed: Latency) -> list[str]:
    """What a reader of the table should know of the venue; nothing where it is free and immediate."""
    sentences = []
    if not fees.free:
        unit = "bps of the value" if fees.unit == "bps" else "a share"
        sentences.append(f"Fees: {fees.maker:g} {unit} for resting orders, {fees.taker:g} for taking.")
    late = [f"{name} {_law(one)}" for name, one in (("order entry", entry), ("feed", feed)) if one != Latency()]
    return [*sentences, *([f"Latency: {', '.join(late)}."] if late else [])]


def _law(latency: Latency) -> str:
    a, b = latency.a_ns / 1e6, latency.b_ns / 1e6
    if latency.kind == "empirical":
        return f"as the tape's receipt, {latency.mean_ns / 1e6:.3g} ms on average"
    if latency.kind == "uniform":
        return f"{a:g} to {b:g} ms"
    return f"{a:g} ms" + (f" and {b:g} ms more on average" if latency.kind == "exponential" else "")
