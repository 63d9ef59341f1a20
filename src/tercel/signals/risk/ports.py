"""Port of anomaly scores. `tercel.api.testing.risk` holds its conformance kit."""

from typing import Protocol

from tercel.signals.risk.seconds import Second


class AnomalyScore(Protocol):
    """Port: distance of a market's state from ordinary, second by second."""

    @property
    def name(self) -> str:
        """Name in tables."""

    def update(self, second: Second) -> float:
        """Score after one more second, over its alarm threshold: 1 is the alarm. NaN while it cannot say.

        A second that holds NaN gives NaN and leaves the state as it was.
        """
