"""A market from which episodes start: its worlds (book and state at one moment), flow and law of impact.

A world is the pair of arrays of one market at one moment. Episodes copy one and go on with their own random streams.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np

from tercel.core.errors import CapacityError, ConfigError
from tercel.core.jit import Floats, Longs, Packed
from tercel.core.seeds import seed_stream
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.book import layout as lay
from tercel.market.flow.port import Preset
from tercel.market.impact.law import COMPONENTS, LAWS, ImpactLaw, law_on_card
from tercel.market.simulator import engine, kernel_requests, layout as sim
from tercel.market.simulator.layout import OWN_ORDERS, blank_state
from tercel.market.simulator.terms import NO_FEES, Fees

NO_TAPE = kernel_requests.NO_TAPE
Impact = ImpactLaw | Literal["none"] | None
"""A law, none, or (None) that of the preset's card."""


class Measured(Protocol):
    """A figure that is measured on first use."""

    @property
    def value(self) -> float:
        """The figure, measured on first use."""


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
        Fees of the venue for own fills.
    impact : ImpactLaw, optional
        Law of impact of own trades beyond the lots that they take; its words are in `flow` (`with_impact`).
    waiting : Measured, optional
        Cost of a resting order here over half the spread, on episodes that are not used for judging (`View.waiting`).
    outside : execution.outside.Terms, optional
        Dealers and session beside the book.
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
    outside: Any = None

    @property
    def reacts(self) -> bool:
        """Whether the market reacts to own orders, so that impact can be measured against the counterfactual market."""
        return self.model != sim.REPLAY or self.impact is not None


def with_impact(source: Source, law: ImpactLaw | None) -> Source:
    """The same source under a law of impact; None: without one."""
    if law is None and source.impact is None:
        return source
    flow = source.flow
    states = source.worlds_k.copy()
    if (law_at := int(flow[sim.IMPACT_AT])) > int(flow[sim.REGIMES_AT]):  # it lies last
        flow = flow[:law_at]
    flow = flow.copy()
    flow[sim.IMPACT_AT] = 0
    states[:, sim.IMPACT] = sim.NO_IMPACT
    is_translation = law is not None and law.law == "translation" and source.model != sim.REPLAY
    separate = sim.always_apart(source.model) or (
        is_translation and bool(source.worlds_b[0, lay.BACKGROUND])
    )
    states[:, sim.APART] = sim.WILL_PART if separate else sim.TOGETHER
    if law is not None:
        law_words = law.pack()
        if law_words[COMPONENTS] > sim.KERNEL_WORDS:
            raise ConfigError(
                f"at most {sim.KERNEL_WORDS} exponentials", f"{law_words[COMPONENTS]}", "use fewer"
            )
        flow = np.concatenate((flow, law_words))
        flow[sim.IMPACT_AT] = len(flow) - len(law_words)
        states[:, sim.IMPACT] = LAWS[law.law]
    return replace(source, flow=flow, worlds_k=states, impact=law)


def run_free(book: Packed, state: Longs, flow: Floats, tape: Longs, until_ns: int) -> None:
    """Run a market alone up to a time."""
    state[sim.DUE_NS] = until_ns
    engine.run(book, state, flow, tape)


def first_world(
    preset: Preset, seed: int, index: int = 0, own_orders: int = OWN_ORDERS, session_ns: int = 0
) -> tuple[Packed, Longs, Floats]:
    """Preset market at time 0 with its mean book: book, state, parameters. `session_ns`: its session's opening.

    Raises
    ------
    CapacityError
        When the order slots do not hold the mean book.
    """
    flow = preset.pack_parameters()
    book = lay.new_book(preset.orders, preset.width, own_orders, background=True)
    state = blank_state(preset.code)
    seed_stream(state, sim.FLOW_RNG, seed, index, 0)
    for side, price, lots in preset.first_orders():
        if engine.lay_order(book, state, flow, NO_TAPE, side, price, lots) < 0:
            raise too_small(preset)
    state[sim.FLOW_NS] = 1
    state[sim.SESSION_NS] = session_ns
    preset.init_memory(state)
    return book, state, flow


def reactive(
    preset: Preset, worlds: int = 1, seed: int = 0, settle_s: float = 3600.0, impact: Impact = None
) -> Source:
    """Source that simulates a preset from settled books, under the law of impact given or, by default, the one on its card.

    Parameters
    ----------
    preset : Preset
        Calibrated rates, sizes and capacities.
    worlds : int
        Books to start from (a bank): each continues from the one before for half the settling time.
    seed : int
        Of the streams that settle them.
    settle_s : float
        Seconds that the laid book runs before the first world is stored; 0 where the preset's book does not settle.
    impact : ImpactLaw or "none", optional
        A law (`impact.pilot.law_for` has one by name); default: the law on the card, none where the card has none.

    Raises
    ------
    CapacityError
        When the preset's order slots do not hold the orders that its rates bring.
    ConfigError
        For a card whose law is none of this version.
    """
    law = law_on_card(preset.card) if impact is None else None if impact == "none" else impact
    book, state, flow = first_world(preset, seed)
    books = []
    states = []
    settle_s = settle_s if preset.settles else 0.0
    until = int(settle_s * NS_PER_SECOND)
    for _ in range(worlds):
        run_free(book, state, flow, NO_TAPE, until)
        if book[lay.OVERFLOW]:
            raise too_small(preset)
        books.append(book.copy())
        states.append(state.copy())
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
    """Preset market with a bank of settled books at one time of day, as the source of scored episodes.

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
    books = []
    states = []
    for index in range(worlds):
        book, state, _ = first_world(preset, seed, 1 + index)
        run_free(book, state, source.flow, NO_TAPE, int(settle_s * NS_PER_SECOND))
        if book[lay.OVERFLOW]:
            raise too_small(preset)
        state[[sim.IMPACT, sim.APART]] = source.worlds_k[0, [sim.IMPACT, sim.APART]]
        books.append(book)
        states.append(state)
    return replace(source, worlds_b=np.stack(books), worlds_k=np.stack(states))


def too_small(preset: Preset) -> CapacityError:
    """Error for a preset whose order slots do not hold its resting orders."""
    return CapacityError(
        "as many order slots as orders rest at once",
        f"more than the {preset.orders} order slots of preset {preset.name} hold",
        "raise `orders` in the preset file",
    )
