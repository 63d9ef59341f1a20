"""What an anomaly score must do. `tercel.api.testing.risk` holds its conformance kit."""

from typing import Protocol

from tercel.signals.risk.seconds import Second


class AnomalyScore(Protocol):
    """Says how far a market's state is from ordinary, second by second."""

    @property
    def name(self) -> str:
        """As tables show it."""

    def update(self, second: Second) -> float:
        """Score after one more second, over its alarm threshold: 1 is the alarm. NaN while it cannot say.

        A second that holds NaN gives NaN and leaves the state as it was.
        """
