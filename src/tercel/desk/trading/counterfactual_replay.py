"""Replay of a journal's parent orders at another venue: what they would have cost there.

Parents, guidance and people's commands come at the times at which the journal has them; strategies decide again.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
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
from tercel.desk.trading.parent_orders.observers import SessionObserver
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
        """Script of a journal: requests, guidance, amendments, pauses and cancels of its parents, in order of time."""
        journaled = [entry for _, entry in entries]
        ledger = Ledger()
        for entry in journaled:
            ledger.apply(entry)
        instruments = {
            parent.id: parent.order.instrument for parent in ledger.parents if parent.over
        }
        end_ns = max((entry.ns for entry in journaled), default=0)
        return cls(
            tuple(_acts(journaled, {parent.id: parent for parent in ledger.parents})),
            instruments,
            end_ns,
        )

    def work(self, session: Session) -> dict[str, Shortfall]:
        """Replay the script in a session; shortfall of each parent that ended both in the journal and in the replay, by id.

        Raises
        ------
        TercelError
            As the session's own methods.
        """
        observer = CostObserver(session)
        for name in session.listings:
            session.follow(name)
        for ns, act in self.acts:
            session.run_until(ns)
            act(session)
        session.run_until(self.end_ns)
        session.run(self.end_ns + round(SETTLE_S * NS_PER_SECOND))
        return {id_: observer.costs[id_] for id_ in self.instruments if id_ in observer.costs}


def _acts(
    entries: Iterable[Entry], parents: Mapping[str, ParentOrder]
) -> Iterator[tuple[int, Callable[[Session], object]]]:
    """Calls on a session that repeat a journal's guidance and parent events, each with its venue time, ns."""
    guidance: dict[str, tuple[Alpha | None, Posture | None]] = {}
    for entry in entries:
        name = entry.instrument
        if entry.kind in (kinds.ALPHA, kinds.POSTURE):
            alpha, posture = guidance.get(name, (None, None))
            if entry.kind == kinds.ALPHA:
                alpha_body = AlphaEntry.of(entry)
                alpha = Alpha(
                    name,
                    entry.ns,
                    alpha_body.horizon_ns,
                    alpha_body.expected_bps or 0.0,
                    alpha_body.sd_bps or 0.0,
                    alpha_body.half_life_ns,
                )
            else:
                posture_body = PostureEntry.of(entry)
                posture = Posture(
                    name,
                    entry.ns,
                    posture_body.urgency,
                    posture_body.max_participation,
                    Style(posture_body.styles),
                    posture_body.size_multiplier,
                )
            guidance[name] = alpha, posture
            yield entry.ns, lambda s, n=name, g=guidance[name]: s.manager.guide(n, *g)  # type: ignore[misc]
        elif entry.kind == kinds.PARENT and entry.parent in parents:
            if (act := _parent_act(parents[entry.parent], ParentEntry.of(entry))) is not None:
                yield entry.ns, act


def _parent_act(parent: ParentOrder, body: ParentEntry) -> Callable[[Session], object] | None:
    """The call on a session that repeats a journaled event of a parent; None if no person or desk asked for it."""
    id_ = parent.id
    reason = body.reason or ""
    event = body.event
    if event == "accepted":
        wall_ns = parent.order.horizon_ns
        return lambda s: s.manager.accept(
            replace(parent.order, horizon_ns=_trading_ns(s, parent, wall_ns))
        )
    if event == "amended":
        price = None if body.limit_price is UNSET else body.limit_price
        return _if_open(
            id_,
            lambda s: s.manager.amend(
                id_,
                reason,
                body.lots,
                body.horizon_ns and _trading_ns(s, parent, body.horizon_ns),
                price,
            ),
        )
    if event in _MANAGED:
        return _if_open(id_, lambda s: getattr(s.manager, _MANAGED[event])(id_, reason))
    return None


def _trading_ns(session: Session, parent: ParentOrder, wall_ns: int) -> int:
    """A journaled horizon of a parent, which is in wall time, in the trading time in which it was asked for."""
    rules = session.listings[parent.order.instrument].rules
    return rules.trading_ns(parent.accepted_ns, parent.accepted_ns + wall_ns)


def _if_open(id_: str, act: Callable[[Session], object]) -> Callable[[Session], object]:
    """Wrap a call on a session so that it is skipped if the parent has ended there."""

    def act_if_open(session: Session) -> None:
        parent = session.ledger.parents.get(id_)
        if parent is not None and not parent.over:
            act(session)

    return act_if_open


class CostObserver(SessionObserver):
    """Observer that computes the shortfall of each parent of a session as it ends, into `costs`; it adds itself to the session.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.costs = dict[str, Shortfall]()
        session.manager.observers.append(self)

    def on_over(self, parent: ParentOrder, executor: ParentExecutor | None) -> None:
        """Store the shortfall of a parent that ended."""
        follower = self._session.follow(parent.order.instrument)
        fills = self._session.ledger.orders.fills_of[parent.id]
        self.costs[parent.id] = cost_of(parent, fills, follower.listing, follower.mid2)
