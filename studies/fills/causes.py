"""Why resting orders fill more readily in a simulated market: one ingredient at a time is taken out of both kinds of day.

An ingredient that recorded days have and the market lacks moves recorded figures towards simulated ones and leaves these
where they are. So two shares of the gap are told: of the *tape alone*, and *taken out of both*, which counts against an
ingredient what its absence does to the market.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from studies.fills import fills_kernel as k, removals as r
from studies.fills.fill_comparison import simulated_tapes
from studies.fills.fills import FillScale, run_ghosts, scale_of, usable
from studies.fills.markouts import add_ghosts, market_orders
from studies.fills.replayed import ReplayedDay, ReplayTally, replayed
from tercel.core import NS_PER_SECOND, Floats, TapeError
from tercel.market import Day, check_one_market, compile_day, working_days
from tercel.market.flow import Preset
from tercel.market.tape import Events, Instrument
from tercel.market.tape.resampled import Resampler

WAITS_S: Final = (10, 30, 100, 300)
MARKS_S: Final = (1, 10, 60)
FIGURES: Final = (*(f"filled {wait} s" for wait in WAITS_S), *(f"mid {h} s after" for h in MARKS_S))
"""Shares filled at the best price; the mid after a fill less its price, in the order's favour, ticks."""
FILLS, MARKS = slice(0, len(WAITS_S)), slice(len(WAITS_S), len(FIGURES))
AS_IT_IS, LABELS, PLACES = (
    "nothing",
    "which removals are trades",
    "where in the spread hidden executions come",
)
BLOCK_S: Final = 10.0
RATE_S: Final = 300.0
WHOLE_S: Final = 1e6
RESAMPLES: Final = 1000
WAYS: Final = ("tape alone", "both")
Tape = tuple[Instrument, Events]


@dataclass(frozen=True, eq=False)
class Cause:
    """Figures without an ingredient, of recorded and of simulated days; sums and cases, float64[days, 2, figures]."""

    name: str
    recorded: Floats
    simulated: Floats


def ingredients(mean_ns: float) -> dict[str, r.Removal]:
    """What is taken out, by name; `mean_ns`: time between market orders on recorded days."""
    labels, rates = r.exchange_labels(r.NOTHING), r.even_time(RATE_S, mean_ns)
    return {
        AS_IT_IS: lambda day, rng: day,
        LABELS: labels,
        PLACES: r.exchange_places(r.NOTHING),
        "hidden executions": r.leave_out_hidden,
        "market orders past the first level": r.stop_at_level,
        "which order of a level is cancelled": r.cancel_anywhere,
        "the day's number of market orders": r.even_time(WHOLE_S, mean_ns),
        "rates that differ between 300 s": rates,
        "clock time (from order to order)": r.even_time(0.0, mean_ns),
        "the first two": lambda day, rng: r.exchange_places(r.NOTHING)(labels(day, rng), rng),
        "the first two and rates": lambda day, rng: rates(
            r.exchange_places(r.NOTHING)(labels(day, rng), rng), rng
        ),
    }


def states() -> dict[str, tuple[str, r.Removal]]:
    """What is held fixed while labels or places change, by name: what changes, and the removal."""
    found = {held: (LABELS, r.exchange_labels(held)) for held in r.STATES}
    places = {
        f"{held}, of places": (PLACES, r.exchange_places(held)) for held in (r.RANDOM, r.LAST_PRICE)
    }
    return found | places


def study(
    preset: Preset, days: Sequence[Day], simulated_days: int, seed: int
) -> tuple[list[Cause], list[Cause]]:
    """Figures without each ingredient, and with each state held while labels or places change.

    Raises
    ------
    ConfigError, TapeError
        Days of another tick than the preset's, too short, or without single orders.
    """
    check_one_market(preset, days)
    made = list(simulated_tapes(preset, days, simulated_days, seed))
    return compare([(day.instrument, day.events) for day in days], made, seed)


def compare(
    recorded: Sequence[Tape], simulated: Sequence[Tape], seed: int
) -> tuple[list[Cause], list[Cause]]:
    """As `study`, of tapes."""
    tapes = recorded, simulated
    read = [[replayed(*tape) for tape in kind] for kind in tapes]
    scale = scale_of(read[0])
    mean_ns = float(
        np.mean(
            [(day.close_ns - day.open_ns) / max(len(market_orders(day).ns), 1) for day in read[0]]
        )
    )

    def without(name: str, removal: r.Removal) -> Cause:
        return Cause(name, *(np.array([figures_of(removal(day, np.random.default_rng((seed, n))), scale)
                                       for n, day in enumerate(kind)]) for kind in read))  # fmt: skip

    found = [without(name, removal) for name, removal in ingredients(mean_ns).items()]
    try:
        blocks = [
            [figures_of(replayed(*tape), scale) for tape in in_blocks(kind, seed)] for kind in tapes
        ]
        found.append(
            Cause(f"what lasts longer than {BLOCK_S:g} s", np.array(blocks[0]), np.array(blocks[1]))
        )
    except TapeError:  # days that cannot be cut have no such row
        pass
    return found, [without(name, removal) for name, (_, removal) in states().items()]


def in_blocks(tapes: Sequence[Tape], seed: int) -> list[Tape]:
    """As many days, of blocks of `BLOCK_S` of all these days."""
    made = Resampler([compile_day(*tape) for tape in tapes], block_s=BLOCK_S)
    return [
        made.day(date, seed + n) for n, date in enumerate(working_days("2031-01-02", len(tapes)))
    ]


def figures_of(day: ReplayedDay, scale: FillScale) -> Floats:
    """Sums and cases of a day's figures, float64[2, figures]."""
    tally, found, fine = ReplayTally(day), run_ghosts(day, scale.ghost), usable(day)
    ns = np.repeat(day.starts[:, None], 2, axis=1)
    for wait in WAITS_S:
        in_time = fine & (day.starts + wait * NS_PER_SECOND <= day.close_ns)[:, None]
        tally.add_mean(f"filled_{wait}s", ns, found[..., k.FILLED] <= wait, in_time)
    add_ghosts(tally, "markout", found, fine)
    names = [*(f"filled_{wait}s" for wait in WAITS_S), *(f"markout_{h}s_ticks" for h in MARKS_S)]
    return np.array([[tally.sums[name + end].sum() for name in names] for end in ("", "#")])


def values(sums: Floats, weights: Floats | None = None) -> Floats:
    """Figures of some days, each counted so often: float64[..., figures]."""
    each = np.ones(len(sums)) if weights is None else weights
    both = np.einsum("...d,dkf->...kf", each, sums)
    return np.asarray(both[..., 0, :] / np.maximum(both[..., 1, :], 1e-9))


def ratio(top: Floats, bottom: Floats) -> Floats:
    """A quotient of either sign, nan for denominator 0."""
    return np.divide(top, bottom, out=np.full_like(top, np.nan), where=bottom != 0.0)


Weights = tuple[Floats, Floats] | tuple[None, None]


def explained(base: Cause, cause: Cause, weights: Weights = (None, None)) -> dict[str, Floats]:
    """Shares of the gap of fills and of mark-outs that go, float64[..., 2]: "tape alone" and "both"."""
    (real, made), (real_x, made_x) = (
        (values(one.recorded, weights[0]), values(one.simulated, weights[1]))
        for one in (base, cause)
    )

    def share(gone: Floats) -> Floats:
        return np.stack(
            [
                ratio(gone[..., part].sum(-1), (made - real)[..., part].sum(-1))
                for part in (FILLS, MARKS)
            ],
            -1,
        )

    return dict(
        zip(WAYS, (share(real_x - real), share((real_x - real) - (made_x - made))), strict=True)
    )


def given_back(base: Cause, plain: Cause, held: Cause) -> Floats:
    """Shares of what an ingredient knew that a held state gives back, float64[2 kinds of day, 2]: fills, mark-outs."""
    out = []
    for kind in ("recorded", "simulated"):
        was, gone, back = (values(getattr(one, kind)) for one in (base, plain, held))
        out.append(
            [ratio((gone - back)[part].sum(), (gone - was)[part].sum()) for part in (FILLS, MARKS)]
        )
    return np.array(out)


def draws(causes: Sequence[Cause], seed: int) -> tuple[Floats, Floats]:
    """Weights of days in bootstrap draws, recorded and simulated, the same for all causes."""
    rng = np.random.default_rng(seed)
    counts = len(causes[0].recorded), len(causes[0].simulated)
    return tuple(
        rng.multinomial(n, np.full(n, 1 / n), RESAMPLES).astype(np.float64) for n in counts
    )  # type: ignore[return-value]


def interval(drawn: Floats) -> Floats:
    """95 % of the draws, float64[2, ...]."""
    return np.asarray(np.quantile(drawn, (0.025, 0.975), axis=0))
