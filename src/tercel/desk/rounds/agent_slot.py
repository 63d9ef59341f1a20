"""An agent of the desk: its champion and challenger strategies, and the evidence on both."""

import math
from dataclasses import dataclass, field
from typing import Any

from tercel.core.errors import ConfigError, OrderError
from tercel.core.plain import plain
from tercel.desk.rounds.challenge import Evidence
from tercel.desk.rounds.drift import DriftDetector
from tercel.execution.strategies.hand_over import TAKES
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
    shown : str
        What the strategy is called in tables.
    challenger : Strategy or None
        On paper beside the champion.
    challenger_shown : str
    drift : DriftDetector or None
        Of a policy with a card.
    """

    name: str
    strategy: Strategy
    shown: str
    challenger: Strategy | None = None
    challenger_shown: str = ""
    drift: DriftDetector | None = None
    challenger_drift: DriftDetector | None = None
    """Of the challenger's card: it watches once the challenger is promoted."""
    drifting: bool = False
    gains_bps: list[float] = field(default_factory=list)
    """What the challenger saved, trial by trial."""
    elsewhere: dict[str, tuple[Strategy, Strategy | None]] = field(default_factory=dict)
    """Champion and challenger by instrument, where a market's own figures make them others than `strategy`."""

    most_lots: dict[tuple[str, str], float] = field(default_factory=dict)
    """(what a strategy is called, instrument) -> the largest parent that its card is for, lots a round."""

    def at(self, instrument: str) -> tuple[Strategy, Strategy | None]:
        """The champion and the challenger in an instrument."""
        return self.elsewhere.get(instrument, (self.strategy, self.challenger))

    def working(self, instrument: str, lots: int) -> tuple[str, Strategy | None, str]:
        """Strategy that works a parent of so many lots: its name, the object (None: by name), why another replaces it.

        A parent that is more than a policy's card is for goes to `TAKES`, with its alpha and posture.
        """
        most = self.most_lots.get((self.shown, instrument), math.inf)
        if lots <= most:
            return self.shown, self.at(instrument)[0], ""
        takes = "+".join([TAKES, *self.shown.split("+")[1:]])
        return (
            takes,
            None,
            f"{lots} lots a round, and {self.shown} is for {most:.0f} a round at most: {takes} works them",
        )

    def must_be(self, champion: str | None, challenger: str | None) -> None:
        """Refuse a promotion that was asked for between others than are there now; None is not said.

        Raises
        ------
        OrderError
        """
        if champion not in (None, self.shown) or challenger not in (None, self.challenger_shown):
            received = f"{self.challenger_shown} over {self.shown} now"
            raise OrderError(
                f"what was asked for: {challenger} over {champion} of {self.name}",
                received,
                "ask anew",
            )

    def promote(self) -> None:
        """Swap champion and challenger; a second call undoes the first.

        Raises
        ------
        ConfigError
            Where there is no challenger.
        """
        if self.challenger is None:
            raise ConfigError(
                f"a challenger of {self.name}", "none", "give the agent one in the desk's file"
            )
        self.strategy, self.challenger = self.challenger, self.strategy
        self.shown, self.challenger_shown = self.challenger_shown, self.shown
        self.elsewhere = {
            name: (rival, best)
            for name, (best, rival) in self.elsewhere.items()
            if rival is not None
        }
        self.drift, self.challenger_drift = self.challenger_drift, self.drift
        for detector in filter(None, (self.drift, self.challenger_drift)):
            detector.begin()
        self.gains_bps = []
        self.drifting = False

    def body(self) -> dict[str, Any]:
        """The body of a `agent_assignment` entry (see `trading.journal.kinds`)."""
        evidence = Evidence.of(self.gains_bps)
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
            "strategy": self.shown,
            "challenger": self.challenger_shown,
            "trials": evidence.trials,
            **plain(figures),
            "verdict": evidence.verdict if self.challenger is not None else "",
            "state": state,
        }
