"""`random`: at every decision one of the placement actions, each as likely as the others."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tercel.execution.actions import placement
from tercel.execution.intent import Intents
from tercel.execution.strategy import Shares, Strategy, expected_shares
from tercel.execution.view import View

ACTIONS = len(placement.LABELS)


@dataclass(frozen=True)
class Random(Strategy):
    """A uniform draw from the eight placement actions, made with `view.draw`."""

    name: ClassVar[str] = "random"

    def decide(self, view: View) -> Intents:
        """The action that ``view.draw`` falls on."""
        return placement.decode((view.draw * ACTIONS).astype(np.int64), view)

    def expected(self, view: View) -> Shares:
        """The mean over the eight actions, whatever was drawn."""
        return expected_shares(np.full(ACTIONS, 1 / ACTIONS), placement.decode, view)
