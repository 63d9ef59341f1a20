"""Fold of a desk's journal into the state behind its report, one small step per entry.

The fold reads the journal alone, never the desk's process. A desk that hangs or has died is one whose journal no longer
grows.
"""

from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Final, cast

from tercel.core.fixed_point import ONE
from tercel.core.ports import Entries, Entry
from tercel.core.stats.mean_intervals import WeightedSums
from tercel.desk.console.agent_report import (
    PosturePart,
    Seat,
)
from tercel.desk.console.agent_state import Agent, contribution
from tercel.desk.console.alerts import AlertBook
from tercel.desk.console.operator_actions import describe_action
from tercel.desk.console.report import (
    AlphaPart,
    CostPoint,
    Decision,
    Deed,
    Heartbeat,
    MarketPart,
    SessionPart,
    SharePoint,
)
from tercel.desk.trading.archive import ArchiveIndex
from tercel.desk.trading.experiment import OWN, ExperimentRecord, fold_experiment
from tercel.desk.trading.forecast_outcomes import Outcomes
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.agent_bodies import CostEntry
from tercel.desk.trading.ledger import Ledger
from tercel.desk.trading.parent_orders.parent import ParentOrder
from tercel.desk.trading.risk.money import Money
from tercel.desk.trading.risk.trading_state import StateReason
from tercel.execution import intent as it

MOST_ACTIONS: Final = 50
MOST_DECISIONS: Final = 40
MOST_POINTS: Final = 600
MOST_OVER: Final = 10
"""Finished parents in a report."""
MOST_REQUESTS: Final = 20
"""Requests for quotes in a report."""
KEEP_NS: Final = 180 * 10**9
"""Venue time for which a finished parent stays in memory: analyses are written a minute after its end."""
MOST_COSTS: Final = 4096
"""Parents whose costs stay in memory, those at work and of the last hour beside them."""
ACTIONS: Final = ("wait", "rest", "take", "take and rest")
STOPS: Final = frozenset({kinds.KILL, kinds.REARM, kinds.HOLD})
"""Kinds of entries that change the agents' shares of the flow."""
ACTS: Final = STOPS | {kinds.PROMOTED, kinds.EXPERIMENT, kinds.STANCE, kinds.OPERATOR}
"""Kinds of entries of a person's action."""


class DeskFold:
    """State of a desk, folded from journal entries in order.

    Parameters
    ----------
    journal : Entries, optional
        A finished parent that has left memory is read back from it when a report names it; without one, all stay in
        memory.
    """

    def __init__(self, journal: Entries | None = None) -> None:
        self.seq = 0
        self.ns = 0
        self.session = SessionPart()
        # When the session began
        self.began_ns = 0
        self.agents: dict[str, Agent] = {}
        self.postures: dict[str, PosturePart] = {}
        self.alphas: dict[str, AlphaPart] = {}
        self.markets: dict[str, MarketPart] = {}
        self.outcomes = Outcomes()
        # Kinds of which the last entry of each instrument is reported
        self._latest = cast(
            dict[str, dict[str, dict[str, Any]]],
            {
                kinds.POSTURE: self.postures,
                kinds.ALPHA: self.alphas,
                kinds.MARKET: self.markets,
            },
        )
        self.heartbeat = Heartbeat()
        self.denials: Counter[str] = Counter()
        # Last `kill` entry of each killed agent
        self.kills: dict[str, dict[str, Any]] = {}
        self.alerts = AlertBook()
        self.decisions: deque[Decision] = deque(maxlen=MOST_DECISIONS)
        self.operator: deque[Deed] = deque(maxlen=MOST_ACTIONS)
        self.share_points: deque[SharePoint] = deque(maxlen=MOST_POINTS)
        # Shares of each instrument's flow as last drawn: replaced, never changed
        self._routed: dict[str, dict[str, float]] = {}
        self.cost_points: deque[CostPoint] = deque(maxlen=MOST_POINTS)
        # Costs of parents, as first journaled, or as last analysed after a bust or correction
        self._costs: dict[str, CostEntry] = {}
        # Last contribution of each analysed parent to `Agent.spent`
        self._analysed: dict[str, dict[str, float]] = {}
        self._total_costs = WeightedSums()
        self._unfilled = 0
        self._refused = 0
        self._finished_parents: dict[str, ParentOrder] = {}
        self._max_costs = MOST_COSTS
        # Archived parents, and fills of theirs, when a checkpoint of this state was made
        self.archived = (0, 0)
        # Entry and parent of each instrument's last decision
        self.last_decisions: dict[str, tuple[int, str]] = {}
        # Entry of each parent's last decision
        self._decision_seqs: dict[str, int] = {}
        # Sum of price and quantity of each parent's fills
        self._fill_values: Counter[str] = Counter()
        # Parents, orders and positions, by the same fold as everywhere
        self.ledger = Ledger(None if journal is None else ArchiveIndex(journal), keep_ns=KEEP_NS)
        self.money = Money()
        # Entries of each of the last requests for quotes
        self.quoted: dict[str, tuple[Entry, ...]] = {}
        self.experiments: dict[str, ExperimentRecord] = {}

    def apply(self, seq: int, entry: Entry) -> None:
        """Fold one journal entry into the state; entries of kinds that the report does not show are ignored."""
        self.seq = seq
        self.ns = max(self.ns, entry.ns)
        self.ledger.last = seq
        self.ledger.apply(entry)
        for sign, fill in self.ledger.moved_fills():
            agent = self._agent(fill.account)
            agent.fills = agent.fills + sign
            agent.qty = agent.qty + sign * fill.qty
            self._fill_values[fill.parent] += sign * fill.px * fill.qty
            if (finished := self._finished_parents.get(fill.parent)) is not None:
                self._finished_parents[finished.id] = replace(
                    finished, filled_qty=finished.filled_qty + sign * fill.qty
                )
        self.money.apply(entry, self.ledger)
        self.outcomes.apply(entry)
        if entry.kind in OWN:
            fold_experiment(self.experiments, entry)
        if entry.kind in self._latest:
            self._latest[entry.kind][entry.instrument] = dict(entry.body) | {"ns": entry.ns}
        if (fold_entry := self._FOLDS.get(entry.kind)) is not None:
            fold_entry(self, seq, entry)
        self.alerts.apply(seq, entry)
        if entry.kind in STOPS:
            self._add_share_points(entry.ns)
        if entry.kind in ACTS:
            self.operator.append(
                Deed(
                    seq=seq,
                    ns=entry.ns,
                    kind=entry.kind,
                    by=str(entry.body.get("by") or ""),
                    what=describe_action(entry),
                    reason=str(entry.body.get("reason") or ""),
                )
            )

    def _flow(self, instrument: str) -> dict[str, float]:
        """Shares of an instrument's flow by agent: 0 for killed or paused agents, the others' scaled to sum to 1."""
        stopped = self.killed_agents | self.ledger.holds.keys()
        shares = {
            name: agent.share[instrument]
            for name, agent in self.agents.items()
            if instrument in agent.share
        }
        total = sum(share for name, share in shares.items() if name not in stopped)
        return {
            name: 0.0 if name in stopped or not total else share / total
            for name, share in shares.items()
        }

    def _add_share_points(self, ns: int, added_instrument: str = "") -> None:
        """Append a share point for each instrument whose shares changed, and for `added_instrument`."""
        for instrument, previous in self._routed.items():
            shares = {name: round(share, 4) for name, share in self._flow(instrument).items()}
            if instrument == added_instrument or shares != previous:
                self._routed[instrument] = shares
                self.share_points.append(SharePoint(ns=ns, instrument=instrument, shares=shares))

    @property
    def killed_agents(self) -> set[str]:
        """Killed agents, by the journal."""
        return set(self.ledger.states.texts_by_owner(StateReason.KILLED))

    def _agent(self, name: str) -> Agent:
        """State of the agent with a name, created on first use."""
        if (agent := self.agents.get(name)) is None:
            agent = self.agents[name] = Agent(name)
        return agent

    def _fold_session(self, seq: int, entry: Entry) -> None:
        """Fold the start of a session: keep its terms, clear kills and agents' promotions."""
        self.session = cast(SessionPart, dict(entry.body))
        self.began_ns = entry.ns
        for agent in self.agents.values():
            agent.promoted = ""  # a session begins with the strategies of the desk's file
        self.kills = {}  # a session that finds the kill switch engaged journals it again

    def _fold_parent(self, seq: int, entry: Entry) -> None:
        """Fold an event of a parent order: keep the last finished parents; note its agent's strategy, model or fallback."""
        event = entry.body.get("event")
        body = entry.body
        agent = self._agent(entry.agent)
        parent = self.ledger.parents.get(entry.parent)
        if parent is not None and parent.over:
            self._finished_parents.pop(parent.id, None)
            self._finished_parents[parent.id] = parent
            if len(self._finished_parents) > MOST_OVER:
                del self._finished_parents[next(iter(self._finished_parents))]
            self._drop_archived_costs()
        if event == "accepted":
            agent.strategy = agent.strategy or str(body.get("strategy", ""))
            agent.model = str(body.get("model", ""))
        elif event == "fallback":
            agent.fallback = str(body.get("reason", "fallback"))

    def _fold_decision(self, seq: int, entry: Entry) -> None:
        """Fold a decision: its entry number by parent and instrument, the action that it took, and a row of the last
        decisions."""
        self._decision_seqs[entry.parent] = seq
        self.last_decisions[entry.instrument] = seq, entry.parent
        if intent := entry.body.get("intent"):
            self._agent(entry.agent).intents.append(
                ACTIONS[2 * bool(intent[it.TAKE]) + any(intent[it.REST0 :])]
            )
        self.decisions.append(
            Decision(
                seq=seq,
                ns=entry.ns,
                parent=entry.parent,
                agent=entry.agent,
                n=entry.body.get("n"),
                commands=len(entry.body.get("commands") or ()),
            )
        )

    def _fold_order_out(self, seq: int, entry: Entry) -> None:
        """Count a command sent to the venue for its agent."""
        if entry.agent:
            self._agent(entry.agent).orders += 1

    def _fold_denied(self, seq: int, entry: Entry) -> None:
        """Count a command that limits denied, by code and for its agent."""
        self.denials[str(entry.body.get("code", ""))] += 1
        if entry.agent:
            self._agent(entry.agent).denials += 1

    def _fold_feedback(self, seq: int, entry: Entry) -> None:
        """Book a parent's cost from the desk's own feedback, unless an analysis has booked it already."""
        past = self.ledger.past
        if entry.parent not in self._costs and not (past is not None and past.has(entry.parent)):
            self._add_cost(entry)

    def _fold_tca(self, seq: int, entry: Entry) -> None:
        """Book a parent's cost from an analysis if none is booked yet; a second analysis replaces the first cost while
        that is in memory."""
        if entry.parent in self._costs and entry.parent in self._analysed:
            self._count_cost(self._agent(entry.agent), self._costs[entry.parent], -1)
            self._add_cost(entry)
        self._fold_feedback(seq, entry)
        previous = self._analysed.get(entry.parent, {})
        current = self._analysed[entry.parent] = contribution(CostEntry.of(entry))
        if entry.parent in self._costs:
            self._agent(entry.agent).spent.update(current)
            self._agent(entry.agent).spent.subtract(previous)

    def _add_cost(self, entry: Entry) -> None:
        """Store and count a parent's cost; a point of the cost chart is for costs that are known, of parents no person worked."""
        cost = self._costs[entry.parent] = CostEntry.of(entry)
        self._count_cost(self._agent(entry.agent), cost, 1)
        if cost.is_bps is not None and cost.by_hand is None:
            self.cost_points.append(
                CostPoint(
                    ns=entry.ns,
                    agent=entry.agent,
                    is_bps=round(cost.is_bps, 4),
                    weight=cost.notional,
                )
            )

    def _count_cost(self, agent: Agent, cost: CostEntry, sign: int) -> None:
        """Add a parent's cost (`sign` 1; -1: subtract) to sums of the desk, and of its agent unless a person worked it
        in part."""
        is_own = cost.by_hand is None
        agent.parents = agent.parents + sign * is_own
        agent.by_hand = agent.by_hand + sign * (not is_own)
        unfilled = sign * round(cost.unfilled * ONE)
        agent.unfilled = agent.unfilled + unfilled
        self._unfilled = self._unfilled + unfilled
        self._refused += sign * int(cost.refused)
        if cost.is_bps is not None:
            for sums in (agent.costs, self._total_costs) if is_own else (self._total_costs,):
                sums.add(cost.is_bps, cost.notional, sign)

    def _drop_archived_costs(self) -> None:
        """Drop costs of parents that have left memory, once `_max_costs` are stored; sums keep them."""
        past = self.ledger.past
        if past is None or len(self._costs) < self._max_costs:
            return
        for name in [name for name in self._costs if past.has(name)]:
            self._costs.pop(name)
            self._decision_seqs.pop(name, None)
            self._fill_values.pop(name, None)
            self._analysed.pop(name, None)
        self._max_costs = max(MOST_COSTS, 2 * len(self._costs))

    def _fold_agent(self, seq: int, entry: Entry) -> None:
        """Make an entry for an agent whose trading state changed, or that a person pauses or resumes, if it has none; the ledger
        holds the state itself."""
        self._agent(entry.agent)

    def _fold_share(self, seq: int, entry: Entry) -> None:
        """Fold the agents' shares of an instrument's flow."""
        shares = {
            name: round(float(share), 4)
            for name, share in dict(entry.body.get("shares", {})).items()
        }
        for name, share in shares.items():
            self._agent(name).share[entry.instrument] = share
        self._routed.setdefault(entry.instrument, {})
        self._add_share_points(entry.ns, added_instrument=entry.instrument)

    def _fold_drift(self, seq: int, entry: Entry) -> None:
        """Fold the drift state of an agent's policy: text, and whether it is drifting."""
        agent = self._agent(entry.agent)
        agent.drift = str(entry.body.get("text", ""))
        agent.drifting = entry.body.get("state") == "drifting"

    def _fold_agent_assignment(self, seq: int, entry: Entry) -> None:
        """Fold an agent's strategy and its challenger's evidence."""
        agent = self._agent(entry.agent)
        agent.seat = cast(Seat, dict(entry.body))
        agent.strategy = str(entry.body.get("strategy", ""))

    def _fold_promoted(self, seq: int, entry: Entry) -> None:
        """Fold a promotion: the challenger becomes the agent's strategy, drift is cleared."""
        agent = self._agent(entry.agent)
        agent.strategy = str(entry.body.get("challenger", ""))
        agent.drift = ""
        agent.drifting = False
        agent.promoted = (
            "" if agent.promoted == agent.strategy else str(entry.body.get("champion", ""))
        )

    def _fold_quote(self, seq: int, entry: Entry) -> None:
        """Keep the entries of the last `MOST_REQUESTS` requests for quotes, by request."""
        name = str(entry.body.get("request"))
        if name in self.quoted or entry.body.get("event") == "requested":
            self.quoted[name] = (*self.quoted.get(name, ()), entry)
        if len(self.quoted) > MOST_REQUESTS:
            del self.quoted[next(iter(self.quoted))]

    def _fold_heartbeat(self, seq: int, entry: Entry) -> None:
        """Keep the last heartbeat with its time."""
        self.heartbeat = cast(Heartbeat, dict(entry.body) | {"ns": entry.ns})

    def _fold_kill(self, seq: int, entry: Entry) -> None:
        """Keep the entry of a kill of an agent or of all."""
        self.kills[entry.agent or str(entry.body.get("scope", ""))] = dict(entry.body) | {
            "ns": entry.ns
        }

    def _fold_rearm(self, seq: int, entry: Entry) -> None:
        """Fold a re-arm: the kill is over unless the entry only `ends` other stops."""
        if "ends" not in entry.body:
            self.kills.pop(entry.agent or str(entry.body.get("scope", "")), None)

    _FOLDS: ClassVar[Mapping[str, Callable[["DeskFold", int, Entry], None]]] = {
        kinds.SESSION: _fold_session,
        kinds.PARENT: _fold_parent,
        kinds.DECISION: _fold_decision,
        kinds.ORDER_OUT: _fold_order_out,
        kinds.DENIED: _fold_denied,
        kinds.FEEDBACK: _fold_feedback,
        kinds.TCA: _fold_tca,
        **dict.fromkeys((kinds.STATE, kinds.HOLD), _fold_agent),
        kinds.SHARE: _fold_share,
        kinds.DRIFT: _fold_drift,
        kinds.AGENT_ASSIGNMENT: _fold_agent_assignment,
        kinds.PROMOTED: _fold_promoted,
        kinds.QUOTE: _fold_quote,
        kinds.HEARTBEAT: _fold_heartbeat,
        kinds.KILL: _fold_kill,
        kinds.REARM: _fold_rearm,
    }
    """Method that folds an entry, by its kind."""
