"""A parent at work: its worker, the strategy that is not trusted, and what is kept of every decision.

When a worker can no longer be relied on (its strategy raised or returned nonsense, its way to the venue was down, its
session is new) it is *taken off*: its children are cancelled by the session, and once the venue has ended every one of
them a new worker goes on with what is left, perhaps under another strategy.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from typing import Any, Protocol

import numpy as np

from tercel.core.errors import PolicyError
from tercel.core.messages import Alpha, Posture
from tercel.core.orders import Command, VenueEvent
from tercel.core.ports import Entry
from tercel.core.vocabulary import FOREVER_NS
from tercel.execution.intent import Intents
from tercel.execution.policies.mlp import MlpPolicy
from tercel.execution.policies.strategy import PolicyStrategy
from tercel.execution.strategy import Shares, Strategy
from tercel.execution.view import View
from tercel.trading.follower import Follower
from tercel.trading.journal import kinds
from tercel.trading.journal.blobs import pack
from tercel.trading.parents import Parent
from tercel.trading.worker import ParentOrder, Worker


class Strategies(Protocol):
    """Makes the strategy of a name for an instrument."""

    def __call__(self, name: str, instrument: str) -> Strategy:
        """Raise `UnknownNameError` where there is none."""
        ...


@dataclass(frozen=True)
class Guarded:
    """A strategy whose answers are looked at before they are believed.

    Parameters
    ----------
    inner : Strategy
    """

    inner: Strategy

    @property
    def name(self) -> str:
        """As in every table."""
        return self.inner.name

    def decide(self, view: View) -> Intents:
        """What the strategy wants.

        Raises
        ------
        PolicyError
            For an observation or an intent with NaN, or of another kind than whole numbers.
        """
        if not np.isfinite(view.obs).all():
            raise PolicyError("an observation of numbers", "NaN or infinity in it", "see its features in the journal")
        intents = np.asarray(self.inner.decide(view))
        if intents.dtype.kind != "i":
            said = "NaN" if intents.dtype.kind == "f" and np.isnan(intents).any() else f"{intents.dtype}"
            raise PolicyError(f"an intent of whole numbers from {self.name}", said, "mend the strategy")
        return intents.astype(np.int32, copy=False)

    def expected(self, view: View) -> Shares:
        """The strategy's own."""
        return self.inner.expected(view)


def trusted(strategy: Strategy) -> Strategy:
    """A strategy that a worker may run: a learned one with finite weights, any other one guarded.

    Raises
    ------
    PolicyError
        For weights that are no numbers.
    """
    if isinstance(strategy, PolicyStrategy) and isinstance(strategy.policy, MlpPolicy):
        if not all(np.isfinite(part).all() for part in strategy.policy.packed if isinstance(part, np.ndarray)):
            raise PolicyError(f"finite weights in {strategy.name}", "NaN or infinity", "train it again")
        return strategy  # as it is, it runs compiled
    return Guarded(strategy)


class Working:
    """A parent with its worker.

    Parameters
    ----------
    parent : Parent
        As the ledger has it now; the worker goes on with what is left of it.
    follower : Follower
    strategy : Strategy
    now_ns, seed, index, first_child : int
    warmup_s : float
        What counts as long volatility before arrival.
    """

    def __init__(
        self,
        parent: Parent,
        follower: Follower,
        strategy: Strategy,
        now_ns: int,
        *,
        seed: int = 0,
        index: int = 0,
        first_child: int = 1,
        warmup_s: float = 900.0,
        run_out: bool = False,
    ) -> None:
        self.id, self.follower = parent.id, follower
        self.asked = parent.order
        self.began_filled, self.seen, self._kept = parent.filled, 0, False
        self.alpha: Alpha | None = None
        self.posture: Posture | None = None
        self.off = ""
        """Why the worker was taken off; "" while it works."""
        left_ns = max(parent.ends_ns - now_ns, 1)
        decisions = max(1, round(parent.order.decisions * min(1.0, left_ns / parent.horizon_ns)))
        asked = replace(parent.order, limit_price=parent.limit_price)
        task = asked.task(horizon_s=left_ns / 1e9, decisions=decisions, warmup_s=warmup_s)
        order = ParentOrder(
            parent.id,
            parent.order.agent,
            parent.order.instrument,
            parent.order.side,
            parent.left,
            now_ns,
            task,
            seed,
            index,
            run_out,
            first_child,
            parent.limit,
        )
        self.strategy = strategy
        self.worker = Worker(order, follower, trusted(strategy))

    def guide(self, alpha: Alpha | None, posture: Posture | None, now_ns: int) -> None:
        """What signals and risk say, from the next decision on."""
        self.alpha, self.posture = alpha, posture
        if self.worker.arrived and not self.worker.done and not self.off:
            self.worker.guide(alpha, posture, now_ns)

    def on_events(self, events: Sequence[VenueEvent]) -> list[Command]:
        """See `Worker.on_events`."""
        return [] if self.off else self.worker.on_events(events)

    def on_time(self, now_ns: int) -> list[Command]:
        """See `Worker.on_time`; an arrival is guided before its first decision."""
        if self.off:
            return []
        if not self.worker.arrived and (self.alpha or self.posture):
            return self._arrive_guided(now_ns)
        return self.worker.on_time(now_ns)

    def _arrive_guided(self, now_ns: int) -> list[Command]:
        """The first decision must see the guidance, so it waits until the state has it."""
        if self.worker.due_ns > now_ns:
            return []
        self.worker._arrive(now_ns)
        self.worker.guide(self.alpha, self.posture, now_ns)
        return self.worker.on_time(now_ns)

    @property
    def due_ns(self) -> int:
        """When it wants to be asked next."""
        return FOREVER_NS if self.off else self.worker.due_ns

    def decision(self, commands: Sequence[Command], now_ns: int) -> list[Entry]:
        """The entry of a decision taken since the last call; none when none was.

        Raises
        ------
        PolicyError
            When what it saw held NaN: its commands must not leave.
        """
        worker = self.worker
        if worker.decisions == self.seen:
            return []
        view, self.seen = worker.view, worker.decisions
        if not np.isfinite(view.obs).all():
            raise PolicyError("an observation of numbers", "NaN or infinity in it", "see its features in the journal")
        arrays: dict[str, Any] = {"x": view.x, "m": view.m, "obs": view.obs, "rows": worker.take_recorded()}
        if worker.began is not None and not self._kept:  # with the rows they replay what was seen
            arrays["book"], arrays["state"] = worker.began
            self._kept = True
        body: dict[str, Any] = {
            "n": worker.decisions - 1,
            "strategy": self.strategy.name,
            "obs_hash": sha256(view.obs.tobytes()).hexdigest()[:16],
            "alpha": asdict(self.alpha) if self.alpha else None,
            "posture": asdict(self.posture) if self.posture else None,
            "intent": worker.last_intent.tolist(),
            "commands": [command.cl_ord_id for command in commands],
            "arrays": list(arrays),
        }
        asked = self.asked
        return [Entry(kinds.DECISION, now_ns, asked.instrument, asked.agent, self.id, "", body, pack(arrays))]
