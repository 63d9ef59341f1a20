"""Conformance kit of the risk port: inherit it, say how to make a model, run pytest.

class TestMine(AnomalyConformance):
    def model(self):
        return Mine()
"""

import math

import numpy as np

from tercel.core.arrays import Floats
from tercel.market.simulator.seconds import COLUMNS
from tercel.signals.risk.ports import AnomalyScore
from tercel.signals.risk.seconds import Second


class AnomalyConformance:
    """Contract of every :class:`tercel.signals.risk.ports.AnomalyScore`."""

    WARM = 1200

    def model(self) -> AnomalyScore:
        """A new model, warm after at most `WARM` ordinary seconds."""
        raise NotImplementedError

    def ordinary(self, seconds: int, seed: int) -> Floats:
        """Seconds of a market in which nothing happens, float64[n, 8]."""
        rng = np.random.default_rng(seed)
        own, far = rng.poisson(200, seconds), rng.poisson(200, seconds)
        columns = (1 + rng.poisson(0.3, seconds), own, far, (own - far) / (own + far), rng.poisson(2, seconds))
        rest = (rng.poisson(0.3, seconds), rng.poisson(2, seconds), rng.choice([-0.5, 0, 0, 0, 0.5], seconds))
        out = np.column_stack([*columns, *rest]).astype(np.float64)
        assert out.shape == (seconds, COLUMNS)
        return out

    def feed(self, score: AnomalyScore, seconds: Floats) -> list[float]:
        """Scores after each of some seconds."""
        return [score.update(Second(*row.tolist())) for row in seconds]

    def test_calm_gives_no_alarm_and_a_withdrawal_one(self) -> None:
        """Below 1 in an ordinary hour; above it within a minute in which depth falls to a third and cancels triple."""
        score = self.model()
        self.feed(score, self.ordinary(self.WARM, 1))
        assert max(self.feed(score, self.ordinary(3600, 2))) < 1.0
        storm = self.ordinary(60, 3)
        storm[:, [0, 1, 2, 4, 6]] *= [3.0, 0.3, 0.3, 3.0, 0.3]
        assert max(self.feed(score, storm)) > 1.0

    def test_broken_seconds_say_nothing_and_leave_no_trace(self) -> None:
        """NaN in, NaN out; the next score is as if they had not been."""
        seconds = self.ordinary(self.WARM + 50, 4)
        whole, broken = self.model(), self.model()
        for t, row in enumerate(seconds):
            expected = whole.update(Second(*row.tolist()))
            if t % 10 == 0:
                assert math.isnan(broken.update(Second(*row.tolist())._replace(move_ticks=math.nan)))
            found = broken.update(Second(*row.tolist()))
            assert found == expected or (math.isnan(found) and math.isnan(expected))
        assert math.isfinite(found)

    def test_the_same_seconds_give_the_same_scores(self) -> None:
        """No clock, no hidden draw."""
        seconds = self.ordinary(self.WARM + 20, 5)
        assert self.feed(self.model(), seconds)[-20:] == self.feed(self.model(), seconds)[-20:]
