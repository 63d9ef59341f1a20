"""Counterfactual replay of a journal's parent orders at another venue: their cost there.

Parents, guidance and people's commands come at the times at which the journal has them; strategies decide again.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from msgspec import UNSET

from tercel.core.messages import Alpha, Posture, Style
from tercel.core.ports import Entry
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.agent_bodies import AlphaEntry, PostureEntry
from tercel.desk.trading.journal.bodies import ParentEntry
from tercel.desk.trading.ledger import Ledger
from tercel.desk.trading.parent_orders.executor import ParentExecutor
from tercel.desk.trading.parent_orders.manager import SessionObserver
from tercel.desk.trading.parent_orders.parent import ParentOrder
from tercel.desk.trading.session import Session
from tercel.desk.trading.tca.measure import cost_of
from tercel.desk.trading.tca.shortfall import Shortfall

SETTLE_S: Final = 5.0
"""Seconds behind the journal's last word in which reports may still come."""
_MANAGED: Final = {"paused": "pause", "resumed": "resume", "cancelling": "cancel"}


@dataclass(frozen=True)
class ParentScript:
    """Requests to a desk as journaled, in order of time.

    Parameters
    ----------
    acts : tuple of (int, callable)
        Venue time, ns, and the call on a session at that time.
    instruments : mapping of str to str
        Of each parent that is over.
    end_ns : int
        Time of the last entry.
    """

    acts: tuple[tuple[int, Callable[[Session], object]], ...]
    instruments: Mapping[str, str]
    end_ns: int

    @classmethod
    def of(cls, entries: Iterable[tuple[int, Entry]]) -> "ParentScript":
        """The script of a journal's entries."""
        read = [entry for _, entry in entries]
        ledger = Ledger()
        for entry in read:
            ledger.apply(entry)
        over = {parent.id: parent.order.instrument for parent in ledger.parents if parent.over}
        end_ns = max((entry.ns for entry in read), default=0)
        return cls(
            tuple(_acts(read, {parent.id: parent for parent in ledger.parents})), over, end_ns
        )

    def work(self, session: Session) -> dict[str, Shortfall]:
        """Replay the script in a session; shortfall of each parent that ended in both, by id.

        Raises
        ------
        TercelError
            As the session's own methods.
        """
        costs = CostObserver(session)
        for name in session.listings:
            session.follow(name)
        for ns, act in self.acts:
            session.run_until(ns)
            act(session)
        session.run_until(self.end_ns)
        session.run(self.end_ns + round(SETTLE_S * NS_PER_SECOND))
        return {id_: costs.found[id_] for id_ in self.instruments if id_ in costs.found}


def _acts(
    entries: Iterable[Entry], parents: Mapping[str, ParentOrder]
) -> Iterator[tuple[int, Callable[[Session], object]]]:
    guidance: dict[str, tuple[Alpha | None, Posture | None]] = {}
    for entry in entries:
        name = entry.instrument
        if entry.kind in (kinds.ALPHA, kinds.POSTURE):
            alpha, posture = guidance.get(name, (None, None))
            if entry.kind == kinds.ALPHA:
                given = AlphaEntry.of(entry)
                alpha = Alpha(
                    name,
                    entry.ns,
                    given.horizon_ns,
                    given.expected_bps or 0.0,
                    given.sd_bps or 0.0,
                    given.half_life_ns,
                )
            else:
                said = PostureEntry.of(entry)
                posture = Posture(
                    name,
                    entry.ns,
                    said.urgency,
                    said.max_participation,
                    Style(said.styles),
                    said.size_multiplier,
                )
            guidance[name] = alpha, posture
            yield entry.ns, lambda s, n=name, g=guidance[name]: s.guide(n, *g)  # type: ignore[misc]
        elif entry.kind == kinds.PARENT and entry.parent in parents:
            if (act := _parent_act(parents[entry.parent], ParentEntry.of(entry))) is not None:
                yield entry.ns, act


def _parent_act(parent: ParentOrder, body: ParentEntry) -> Callable[[Session], object] | None:
    id_, reason, event = parent.id, body.reason or "", body.event
    if event == "accepted":
        return lambda s: s.accept(parent.order)
    if event == "amended":
        price = None if body.limit_price is UNSET else body.limit_price
        return _if_open(id_, lambda s: s.amend(id_, reason, body.lots, body.horizon_ns, price))
    if event in _MANAGED:
        return _if_open(id_, lambda s: getattr(s, _MANAGED[event])(id_, reason))
    return None


def _if_open(id_: str, act: Callable[[Session], object]) -> Callable[[Session], object]:
    """A call on a session if the parent is still open there: at another venue it may have ended earlier."""

    def done(session: Session) -> None:
        parent = session.ledger.parents.get(id_)
        if parent is not None and not parent.over:
            act(session)

    return done


class CostObserver(SessionObserver):
    """Cost of each parent of a session, taken as it ends (`trading.parent_orders.manager.SessionObserver`).

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.found = dict[str, Shortfall]()
        session.manager.watchers.append(self)

    def on_over(self, parent: ParentOrder, executor: ParentExecutor | None) -> None:
        """Take its cost."""
        follower = self._session.follow(parent.order.instrument)
        fills = self._session.ledger.fills_of[parent.id]
        self.found[parent.id] = cost_of(parent, fills, follower.listing, follower.mid2)
