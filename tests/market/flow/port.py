"""The port of order-flow models: a book goes in, the next public event comes out.

A flow model is the public of a simulated market. It sees the whole book, the agent's orders in it, and
answers with one event at a time; it acts on public orders alone (an agent's order is never cancelled by
it). The batched simulator runs compiled models of the same law, chosen by an integer switch; this port is
the readable form that the conformance kit (`tests.market.flow.conformance`) and the oracles speak.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

import numpy as np

from tercel.market.flow.port import Preset

LIMIT: Final = 1
"""A limit order comes to rest: side is the order's own, `price_ticks` behind the opposite best."""
MARKET: Final = 2
"""A market order walks the book: side is the aggressor's."""
CANCEL: Final = 3
"""A public resting order is withdrawn whole: `order_id` names it."""


@dataclass(frozen=True)
class FlowEvent:
    """What the public does next, `wait_s` seconds after the event before."""

    wait_s: float
    kind: int
    side: int
    price_ticks: int = 0
    qty_lots: int = 0
    order_id: int = 0


class FlowBook(Protocol):
    """What a flow model may see."""

    def reference(self, side: int) -> int:
        """Best price of a side in ticks; while the side is empty, the last one it had."""

    def levels(self, side: int) -> Iterable[tuple[int, Sequence[int]]]:
        """(price, ids of the public orders there in time priority) of every occupied level."""


@runtime_checkable
class Flow(Protocol):
    """A flow model with its parameters: immutable, all state lives in the book and the random stream."""

    @property
    def name(self) -> str:
        """Name of the law, such as ``santa-fe``."""

    @property
    def preset(self) -> Preset:
        """The calibrated parameters, their card included."""

    def next(self, book: FlowBook, rng: np.random.Generator) -> FlowEvent:
        """The next public event, a function of the book and the stream alone."""
