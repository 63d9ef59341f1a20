"""Source of episodes: a flow model's parameters or a compiled tape, and worlds to start from.

A world is the pair of arrays of one market at one moment. Episodes copy one and go on with their own random streams.
"""

from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np

from tercel.core.errors import CapacityError, ConfigError
from tercel.core.jit import Floats, Longs, Packed
from tercel.core.seeds import seed_stream
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.book import layout as lay
from tercel.market.flow.port import Preset
from tercel.market.impact.law import LAWS, ImpactLaw, of_card
from tercel.market.impact.layout import COMPONENTS
from tercel.market.simulator import layout as sim
from tercel.market.simulator import lockstep
from tercel.market.simulator.layout import OWN_ORDERS, blank_state
from tercel.market.simulator.terms import NO_FEES, Fees

NO_TAPE = lockstep.NO_TAPE

Impact = ImpactLaw | Literal["none"] | None
"""A law, none, or (None) that of the preset's card."""


class Measured(Protocol):
    """A figure that is measured when it is first asked for."""

    @property
    def value(self) -> float: ...


@dataclass(frozen=True)
class Source:
    """A market from which episodes start.

    Parameters
    ----------
    name : str
        As shown in tables.
    model : int
        As `MODEL` in the layout.
    flow : float64[p]
        Parameters of the flow model (empty for a tape).
    tape : int64[n, 6]
        Compiled rows (empty for a flow model).
    worlds_b : int32[w, ...]
        Books to start from.
    worlds_k : int64[w, GRID]
        The other half of each world, without the time grid.
    tick, lot : float, int
        Price units of a tick, shares of a lot.
    regimes : tuple of str
        Names of the regimes that switch in it, by number (`market.regimes`); empty: none do.
    fees : Fees
        What the venue asks of own fills.
    impact : ImpactLaw, optional
        What own trades do to prices beyond the lots that they take; its words are in `flow` (`with_impact`).
    waiting : Measured, optional
        What an order that rests pays here over half the spread, on episodes that nobody is judged on (`View.waiting`).
    """

    name: str
    model: int
    flow: Floats
    tape: Longs
    worlds_b: Packed
    worlds_k: Longs
    tick: float
    lot: int
    regimes: tuple[str, ...] = ()
    fees: Fees = NO_FEES
    impact: ImpactLaw | None = None
    waiting: Measured | None = None

    @property
    def answers(self) -> bool:
        """Whether the market reacts to own orders, so that impact can be measured with twins."""
        return self.model != sim.REPLAY or self.impact is not None


def with_impact(source: Source, law: ImpactLaw | None) -> Source:
    """The same market under a law of impact; None: without."""
    if law is None and source.impact is None:
        return source
    flow, states = source.flow, source.worlds_k.copy()
    if (at := int(flow[sim.IMPACT_AT])) > int(flow[sim.REGIMES_AT]):  # it lies last
        flow = flow[:at]
    flow = flow.copy()
    flow[sim.IMPACT_AT] = 0
    states[:, sim.IMPACT] = sim.NO_IMPACT
    moved = law is not None and law.law == "translation" and source.model != sim.REPLAY
    apart = sim.always_apart(source.model) or (moved and bool(source.worlds_b[0, lay.BACKGROUND]))
    states[:, sim.APART] = sim.WILL_PART if apart else sim.TOGETHER
    if law is not None:
        packed = law.packed()
        if packed[COMPONENTS] > sim.KERNEL_WORDS:
            raise ConfigError(
                f"at most {sim.KERNEL_WORDS} exponentials", f"{packed[COMPONENTS]}", "use fewer"
            )
        flow = np.concatenate((flow, packed))
        flow[sim.IMPACT_AT] = len(flow) - len(packed)
        states[:, sim.IMPACT] = LAWS[law.law]
    return replace(source, flow=flow, worlds_k=states, impact=law)


def run_free(b: Packed, k: Longs, flow: Floats, tape: Longs, until_ns: int) -> None:
    """Run a market alone up to a time."""
    k[sim.DUE_NS] = until_ns
    lockstep.run(b, k, flow, tape)


def first_world(
    preset: Preset, seed: int, index: int = 0, own: int = OWN_ORDERS, session_ns: int = 0
) -> tuple[Packed, Longs, Floats]:
    """Preset market at time 0 with its mean book: book, state, parameters. `session_ns`: its session's opening.

    Raises
    ------
    CapacityError
        When the order slots do not hold the mean book.
    """
    flow = preset.packed()
    b = lay.new_book(preset.orders, preset.width, own, background=True)
    k = blank_state(preset.code)
    seed_stream(k, sim.FLOW_RNG, seed, index, 0)
    for side, price, lots in preset.first_orders():
        if lockstep.lay_order(b, k, flow, NO_TAPE, side, price, lots) < 0:
            raise too_small(preset)
    k[sim.FLOW_NS] = 1
    k[sim.SESSION_NS] = session_ns
    preset.remember(k)
    return b, k, flow


def reactive(
    preset: Preset, worlds: int = 1, seed: int = 0, settle_s: float = 3600.0, impact: Impact = None
) -> Source:
    """Reactive market of a preset.

    Parameters
    ----------
    preset : Preset
        Calibrated rates, sizes and capacities.
    worlds : int
        Books to start from (a bank): each goes on from the one before for half the settling time.
    seed : int
        Of the streams that settle them.
    settle_s : float
        Seconds that the laid book runs before the first world is kept; 0 where the preset's book does not settle.
    impact : ImpactLaw or "none", optional
        A law (`impact.pilot.law_for` has one by name); default: the law on the card, none where there is none there.

    Raises
    ------
    CapacityError
        When the preset's order slots do not hold the orders that its rates bring.
    ConfigError
        For a card whose law is none of this version.
    """
    law = of_card(preset.card) if impact is None else None if impact == "none" else impact
    b, k, flow = first_world(preset, seed)
    books, states = [], []
    settle_s = settle_s if preset.settles else 0.0
    until = int(settle_s * NS_PER_SECOND)
    for _ in range(worlds):
        run_free(b, k, flow, NO_TAPE, until)
        if b[lay.OVERFLOW]:
            raise too_small(preset)
        books.append(b.copy())
        states.append(k.copy())
        until += int(settle_s * NS_PER_SECOND / 2)
    source = Source(
        preset.name,
        preset.code,
        flow,
        NO_TAPE,
        np.stack(books),
        np.stack(states),
        preset.tick,
        preset.lot,
    )
    return with_impact(source, law)


def settled_bank(
    preset: Preset, worlds: int, seed: int = 0, settle_s: float = 3600.0, impact: Impact = None
) -> Source:
    """Preset market with a bank of settled books at one time of day, as a judged market has.

    :func:`reactive` lets one world go on from the one before, so that its bank runs through the day, whose season makes
    some hours quieter than others; here every world settles by itself, with a stream of its own.

    Parameters
    ----------
    preset, seed, settle_s, impact
        As :func:`reactive`.
    worlds : int

    Raises
    ------
    CapacityError, ConfigError
        As :func:`reactive`.
    """
    source = reactive(preset, 1, seed, settle_s, impact)
    if not preset.settles:
        settle_s = 0.0
    books, states = [], []
    for index in range(worlds):
        b, k, _ = first_world(preset, seed, 1 + index)
        run_free(b, k, source.flow, NO_TAPE, int(settle_s * NS_PER_SECOND))
        if b[lay.OVERFLOW]:
            raise too_small(preset)
        k[[sim.IMPACT, sim.APART]] = source.worlds_k[0, [sim.IMPACT, sim.APART]]
        books.append(b)
        states.append(k)
    return replace(source, worlds_b=np.stack(books), worlds_k=np.stack(states))


def too_small(preset: Preset) -> CapacityError:
    return CapacityError(
        "as many order slots as orders rest at once",
        f"more than the {preset.orders} order slots of preset {preset.name} hold",
        "raise `orders` in the preset file",
    )
