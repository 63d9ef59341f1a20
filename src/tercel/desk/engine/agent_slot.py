"""An agent of the desk: its champion and challenger, drift detectors, and the gains of the challenger on paper."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tercel.core.errors import ConfigError, OrderError, refuse_if
from tercel.core.serialization import to_jsonable
from tercel.desk.engine.challenge import CHAMPION, Evidence, PaperSaving
from tercel.desk.engine.drift import DriftDetector
from tercel.execution.strategies.order_size import TAKES
from tercel.execution.strategy import Strategy


@dataclass
class AgentSlot:
    """One agent's strategies: champion, challenger, drift detector, gains.

    Parameters
    ----------
    name : str
        Its account.
    strategy : Strategy
        The champion, with what it takes of alpha and posture.
    strategy_name : str
        The strategy's name in tables and in the journal.
    challenger : Strategy or None
        On paper beside the champion.
    challenger_name : str
    drift : DriftDetector or None
        Of a policy with a card.
    """

    name: str
    strategy: Strategy
    strategy_name: str
    challenger: Strategy | None = None
    challenger_name: str = ""
    drift: DriftDetector | None = None
    challenger_drift: DriftDetector | None = None
    """Detector of the challenger's card, in use once the challenger is promoted."""
    drifting: bool = False
    paper_savings: dict[str, list[PaperSaving]] = field(default_factory=dict)
    """What the champion saved on each other strategy on paper, by its name, an order each."""
    failed_on_paper: set[str] = field(default_factory=set)
    """Names of strategies that raised on paper; `challenge.CHAMPION` for the champion."""
    alternatives: dict[str, dict[str, Strategy]] = field(default_factory=dict)
    """Further strategies on paper, by instrument and name."""
    by_instrument: dict[str, tuple[Strategy, Strategy | None]] = field(default_factory=dict)
    """Champion and challenger by instrument, where a market's own figures make them others than `strategy`."""

    arms: dict[str, Strategy] = field(default_factory=dict)
    """Strategies of its experiment, by name."""
    most_lots: dict[tuple[str, str], float] = field(default_factory=dict)
    """Largest parent that a strategy's card covers, lots a round, by the strategy's name and the instrument."""

    def strategies_in(self, instrument: str) -> tuple[Strategy, Strategy | None]:
        """The champion and the challenger (None without one) in an instrument."""
        return self.by_instrument.get(instrument, (self.strategy, self.challenger))

    def rivals_in(self, instrument: str) -> dict[str, Strategy]:
        """Strategies on paper beside the champion in an instrument, by name: challenger and alternatives that never failed."""
        challenger = self.strategies_in(instrument)[1]
        named = ({} if challenger is None else {self.challenger_name: challenger}) | (
            self.alternatives.get(instrument, {})
        )
        return {name: rival for name, rival in named.items() if name not in self.failed_on_paper}

    @property
    def gains_bps(self) -> list[float]:
        """Cost saved by the challenger, bps, by trial."""
        return [-saving.bps for saving in self.paper_savings.get(self.challenger_name, [])]

    def book_savings(self, savings: Mapping[str, PaperSaving | str]) -> list[str]:
        """Add what the champion saved in one order's trials, by the other strategy's name, and drop those that failed (error
        as text) for good; texts on the failures not yet told."""
        told = []
        new_savings = {
            name: saving for name, saving in savings.items() if name not in self.failed_on_paper
        }
        for name, saving in new_savings.items():
            if isinstance(saving, PaperSaving):
                self.paper_savings.setdefault(name, []).append(saving)
            else:
                self.failed_on_paper.add(name)
                told.append(
                    f"{name or self.strategy_name} failed on paper: {saving}; "
                    f"{'an order is not compared' if name == CHAMPION else 'it is compared no more'}"
                )
        return told

    def size_warning(self, instrument: str, lots: int, strategy: str = "") -> str:
        """Warning for a parent larger than the card of a strategy (by default the champion) covers (lots per round); "" if it is
        covered."""
        name = strategy or self.strategy_name
        max_lots = self.most_lots.get((name, instrument), math.inf)
        if lots <= max_lots:
            return ""
        return (
            f"{lots} lots a round, and {name} is for {max_lots:.0f} a round at most: in a "
            f"thin market what it leaves at the horizon is expensive; {TAKES} takes it evenly"
        )

    def check_promotion(self, champion: str | None, challenger: str | None) -> None:
        """Refuse a promotion requested for other strategies than the current ones; None matches any.

        Raises
        ------
        OrderError
        """
        refuse_if(
            champion not in (None, self.strategy_name)
            or challenger
            not in (
                None,
                self.challenger_name,
            ),
            f"the requested promotion: {challenger} over {champion} of {self.name}",
            f"{self.challenger_name} over {self.strategy_name} now",
            "ask again",
            OrderError,
        )

    def promote(self) -> None:
        """Swap champion and challenger with their drift detectors, and clear gains and drift; a second call swaps them
        back, ConfigError without a challenger.

        Raises
        ------
        ConfigError
            If the agent has no challenger.
        """
        if self.challenger is None:
            raise ConfigError(
                f"a challenger of {self.name}", "none", "give the agent one in the desk's file"
            )
        self.strategy, self.challenger = self.challenger, self.strategy
        self.strategy_name, self.challenger_name = self.challenger_name, self.strategy_name
        self.by_instrument = {
            name: (rival, best)
            for name, (best, rival) in self.by_instrument.items()
            if rival is not None
        }
        self.drift, self.challenger_drift = self.challenger_drift, self.drift
        for detector in filter(None, (self.drift, self.challenger_drift)):
            detector.reset()
        self.paper_savings = {}
        self.failed_on_paper.discard(CHAMPION)
        self.drifting = False

    def body(self) -> dict[str, Any]:
        """Body of the agent's `agent_assignment` journal entry: strategies, evidence, state."""
        evidence = Evidence.of(self.gains_bps)
        has_failed = self.challenger_name in self.failed_on_paper
        verdict = "failed on paper" if has_failed else evidence.verdict
        state = (
            "drifting"
            if self.drifting
            else "challenged"
            if self.challenger is not None
            else "champion alone"
        )
        figures = {
            "mean_bps": evidence.mean_bps,
            "low_bps": evidence.low_bps,
            "high_bps": evidence.high_bps,
        }
        return {
            "strategy": self.strategy_name,
            "challenger": self.challenger_name,
            "trials": evidence.trials,
            **to_jsonable(figures),
            "verdict": "" if self.challenger is None else verdict,
            "state": state,
        }
