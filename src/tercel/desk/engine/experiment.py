"""Experiment of a desk while it runs: draws an arm for each order, stops arms at guardrails, ends, and obeys people."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from math import isfinite, sqrt
from typing import Final

from msgspec.structs import astuple

from tercel.core.errors import ConfigError, OrderError, check_known, refuse_if
from tercel.core.ports import Entry, Journal
from tercel.core.vocabulary import DAY_NS, NS_PER_SECOND
from tercel.desk.engine.config import (
    LEAST_SHARE,
    AgentSection,
    DeskConfig,
    ExperimentSection,
    are_shares,
)
from tercel.desk.engine.configured_agents import full_name
from tercel.desk.trading.experiment import (
    BEGAN,
    ENDED,
    OWN,
    SHARES,
    STOPPED,
    ExperimentEntry,
    ExperimentRecord,
    ExperimentTerms,
    covariates_of,
    draw_arm,
    fold_experiment,
)
from tercel.desk.trading.experiment_analysis import analyse_savings, costliest_bps
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import CommandBody, OperatorEntry
from tercel.desk.trading.parent_orders.follower import Follower
from tercel.desk.trading.parent_orders.parent_request import ParentRequest
from tercel.execution.strategies import MarketEstimates

LEAST_ORDERS: Final = 20
"""Orders of an arm below which its unfilled share stops nothing."""
LEAST_COSTLIEST: Final = 100
"""Orders of an arm below which its costliest 5 % stop nothing: they are five orders."""


class RunningExperiment:
    """Experiment on one agent's orders; its state is a fold of the journal.

    Parameters
    ----------
    section : ExperimentSection
    agent : AgentSection
    config : DeskConfig
    estimates : mapping of instrument to MarketEstimates
    journal : Journal
        Held by this desk.

    Raises
    ------
    ConfigError
        The journal has an experiment of this name on other terms.
    """

    def __init__(
        self,
        section: ExperimentSection,
        agent: AgentSection,
        config: DeskConfig,
        estimates: Mapping[str, MarketEstimates],
        journal: Journal,
    ) -> None:
        self._section = section
        self._config = config
        self._estimates = estimates
        self._journal = journal
        self._terms = ExperimentTerms(
            list(section.strategies),
            {name: full_name(agent, name) for name in section.strategies},
            section.unit,
            list(section.strata),
            section.seed,
            section.planned,
            [instrument.name for instrument in config.instrument],
        )
        self._read = 0
        self._records: dict[str, ExperimentRecord] = {}
        self.follow()
        self._check_terms()

    @property
    def record(self) -> ExperimentRecord:
        """State of the experiment, which has begun."""
        return self._records[self._section.name]

    def _check_terms(self) -> None:
        """Refuse an experiment that began on other terms, or shares of the file that people have not set."""
        record = self._records.get(self._section.name)
        if record is None:
            return
        pairs = zip(
            record.terms.__struct_fields__, astuple(record.terms), astuple(self._terms), strict=True
        )
        other = [name for name, was, now in pairs if was != now and name != "instruments"]
        other += ["agent"] * (record.agent != self._section.agent)
        shares = self._section.share_of_arms
        other += ["shares"] * (shares not in (record.first_shares, record.shares))
        refuse_if(
            other,
            f"experiment {self._section.name} on the terms on which it began",
            f"a file with other {', '.join(other)}",
            "restore the desk's file, or give the experiment another name, which begins another; "
            "shares change by `tercel trade experiment`",
            ConfigError,
        )

    def begin(self, now_ns: int, write: Callable[[Sequence[Entry]], object]) -> None:
        """Journal the begin of an experiment that has not begun."""
        self._write = write
        if self._section.name not in self._records:
            shares = self._section.share_of_arms
            self._journal_event(now_ns, BEGAN, terms=self._terms, shares=shares)

    def _journal_event(
        self, ns: int, event: str, by: str = "", reason: str = "", **fields: object
    ) -> None:
        """Journal an event of the experiment, and fold it."""
        body = ExperimentEntry(event=event, name=self._section.name, by=by, reason=reason, **fields)  # type: ignore[arg-type]
        self._write([Entry(kinds.EXPERIMENT, ns, agent=self._section.agent, body=body.json())])
        self.follow()

    def follow(self) -> None:
        """Fold what the journal has since the last call."""
        for seq, entry in self._journal.read(self._read, OWN):
            fold_experiment(self._records, entry)
            self._read = seq

    def assign(
        self,
        request: ParentRequest,
        ns: int,
        follower: Follower,
        forecast_bps: float | None,
        volatility: float | None,
    ) -> ParentRequest:
        """The request with the strategy of its arm: drawn now, or promoted; unchanged once the experiment has ended without."""
        self.follow()
        if self.record.ended is None:
            self._end_if_due(ns)
        if (ended := self.record.ended) is not None:
            arm = ended.arm or self._arm_for_stopped(request.strategy)
            return replace(request, strategy=self.record.terms.strategies[arm]) if arm else request
        desk = self._config.desk
        estimates = self._estimates[request.instrument]
        horizon_s = request.horizon_ns / NS_PER_SECOND
        ratio = volatility if volatility is not None and isfinite(volatility) else 1.0
        covariates = covariates_of(
            request.side,
            request.lots,
            ns,
            follower.touch if follower.mid2 else None,
            estimates.sigma * sqrt(horizon_s / desk.decision_s) * ratio,
            estimates.expected_volume * horizon_s / desk.round_s,
            forecast_bps,
        )
        draw = draw_arm(self.record, request.id, request.instrument, ns, covariates)
        return replace(
            request, strategy=self.record.terms.strategies[draw.arm], experiment=draw.json()
        )

    def _arm_for_stopped(self, strategy: str) -> str:
        """First arm that was not stopped, in the place of a strategy that was; "" for any other strategy."""
        record = self.record
        stopped = {record.terms.strategies[arm] for arm in record.stopped}
        left = [arm for arm in record.terms.arms if arm not in record.stopped]
        return left[0] if strategy in stopped and left else ""

    def _end_if_due(self, ns: int) -> None:
        """End the experiment at its date or its number of orders."""
        end = self._section.end
        day = ns // DAY_NS
        if end.orders and len(self.record.orders) >= end.orders:
            self._journal_event(ns, ENDED, reason=f"{end.orders} orders")
        elif end.date and day > (date.fromisoformat(end.date) - date(1970, 1, 1)).days:
            self._journal_event(ns, ENDED, reason=f"after {end.date}")

    def end_if_decided(self, ns: int) -> None:
        """End the experiment once all of its arms are told from the baseline, where its section says so."""
        self.follow()
        if self._section.end.decision and self.record.ended is None:
            analysed = analyse_savings(self.record, self.record.known_orders)
            savings = [saving for saving in analysed if saving.arm in self.record.shares]
            if all(saving.is_decided for saving in savings):
                texts = [f"{saving.arm} is {saving.verdict}" for saving in savings]
                self._journal_event(ns, ENDED, reason=f"decided: {', '.join(texts)}")

    def check_guardrails(self, ns: int) -> list[str]:
        """Stop each arm that is beyond a guardrail; texts on those."""
        self.follow()
        if self.record.ended is not None:
            return []
        stopped = {
            arm: text for arm in self.record.shares if (text := self._breach(arm, ns // DAY_NS))
        }
        for arm, text in stopped.items():
            if self.record.ended is None:
                self._stop_arm(ns, arm, "", f"guardrail: {text}")
        return [f"{self._section.name}: {arm} stopped, {text}" for arm, text in stopped.items()]

    def _breach(self, arm: str, day: int) -> str:
        """Text on the guardrail that an arm is beyond; "" if none."""
        rails = self._section.guardrails
        orders = [
            one
            for one in self.record.orders.values()
            if one.draw.arm == arm and one.cost_bps is not None
        ]
        loss = sum(order.paid for order in orders if order.paid_ns // DAY_NS == day)
        if rails.daily_loss and loss > rails.daily_loss:
            return f"its fills of a day cost {loss:,.0f}, more than {rails.daily_loss:,.0f}"
        if len(orders) < LEAST_ORDERS:
            return ""
        unfilled = sum(order.unfilled for order in orders) / len(orders)
        if rails.unfilled and unfilled > rails.unfilled:
            return f"{unfilled:.1%} of its lots unfilled, more than {rails.unfilled:.1%}"
        worst = costliest_bps(orders) or 0.0
        if rails.costliest_bps and len(orders) >= LEAST_COSTLIEST and worst > rails.costliest_bps:
            return f"its costliest 5 % of orders cost {worst:.1f} bps, more than {rails.costliest_bps:.1f}"
        return ""

    def _stop_arm(
        self, ns: int, arm: str, by: str, reason: str, operator: int | None = None
    ) -> None:
        """Stop drawing an arm; end the experiment if one arm is left."""
        left = {name: share for name, share in self.record.shares.items() if name != arm}
        total = sum(left.values())
        shares = {name: share / total for name, share in left.items()}
        self._journal_event(ns, STOPPED, by, reason, arm=arm, shares=shares, operator=operator)
        if arm == self.record.terms.arms[0]:
            self._journal_event(ns, ENDED, reason=f"the baseline {arm} was stopped")
        elif len(left) == 1:
            self._journal_event(ns, ENDED, reason=f"{', '.join(left)} is the one arm left")

    def execute(self, command: OperatorEntry, body: CommandBody, ns: int) -> None:
        """Carry out a person's command: stop it or one arm, change shares, promote an arm.

        Raises
        ------
        OrderError, UnknownNameError
            For an experiment that has ended, an arm that it does not have, shares that do not sum to one.
        """
        self.follow()
        record = self.record
        refuse_if(
            body.name not in ("", record.name),
            f"a command to {record.name}",
            f"one to {body.name}",
            "look at the page",
            OrderError,
        )
        refuse_if(
            not record.is_open_to(body.act),
            "an experiment that runs",
            f"{record.name}, which has ended: {record.ended and record.ended.reason}",
            "give another a new name in the desk's file",
            OrderError,
        )
        if body.arm:
            check_known(body.arm, record.terms.arms, f"an arm of {record.name}:")
        if body.act == "shares":
            shares = body.shares or {}
            arms = [arm for arm in record.terms.arms if arm in record.shares]
            for arm in shares:
                check_known(arm, arms, f"an arm of {record.name} that is drawn:")
            missing = ", ".join(arm for arm in arms if arm not in shares)
            refuse_if(missing, "a share of each arm", f"none of {missing}", "name all", OrderError)
            refuse_if(
                not are_shares([*shares.values()]),
                f"shares of at least {LEAST_SHARE:g} that sum to 1",
                f"{', '.join(map(str, shares.values()))}, which sum to {sum(shares.values()):g}",
                "correct one of them",
                OrderError,
            )
            self._journal_event(
                ns, SHARES, command.by, command.reason, shares=shares, operator=command.id
            )
        elif body.act == "promote":
            refuse_if(
                not body.arm,
                "an arm to promote",
                "none",
                f"one of {', '.join(record.terms.arms)}",
                OrderError,
            )
            self._journal_event(
                ns, ENDED, command.by, command.reason, arm=body.arm, operator=command.id
            )
        elif body.arm:
            refuse_if(
                body.arm not in record.shares,
                "an arm that is drawn",
                f"{body.arm}, which was stopped",
                "leave it",
                OrderError,
            )
            self._stop_arm(ns, body.arm, command.by, command.reason, command.id)
        else:
            self._journal_event(ns, ENDED, command.by, command.reason, operator=command.id)
