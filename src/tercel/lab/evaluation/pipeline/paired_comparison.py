"""Record of a paired comparison of two strategies (`Comparison`) and its sentence; `result` makes it from paired gains."""

import html
from dataclasses import dataclass

from tercel.core.stats import PairedGain
from tercel.lab.evaluation.claims import verdict_of


@dataclass(frozen=True)
class Comparison:
    """Paired comparison of two strategies `a` and `b` on the same episodes.

    Parameters
    ----------
    a, b : str
    difference_bps : float
        Cost of `b` less cost of `a`, mean over episodes: above zero, `a` is cheaper.
    ci_low, ci_high : float or None
        95 % interval, bootstrapped over clusters of episodes; None with one cluster.
    p_adjusted : float or None
        Two-sided p-value, adjusted for all comparisons it was made with (Benjamini and Hochberg 1995).
    detectable_bps : float or None
        Minimum detectable effect: the least true difference that is found with 80 % power at the 5 % level.

    >>> print(Comparison("mine", "pov", 1.0, 0.25, 1.75, 0.01, 1.2))
    mine is 1.00 bps cheaper than pov [0.25, 1.75], adjusted p 0.01; minimum detectable effect 1.20 bps
    """

    a: str
    b: str
    difference_bps: float
    ci_low: float | None
    ci_high: float | None
    p_adjusted: float | None
    detectable_bps: float | None

    @property
    def significant(self) -> bool:
        """Whether the interval excludes zero and the adjusted p-value is below 0.05."""
        return verdict_of(self.gain) != "open"

    @property
    def gain(self) -> PairedGain:
        """Gain of `a` on `b` in the judge's form."""
        return PairedGain(
            self.difference_bps, self.ci_low, self.ci_high, self.p_adjusted, self.detectable_bps
        )

    @property
    def turned(self) -> "Comparison":
        """The same comparison with `a` and `b` swapped."""
        gain = self.gain.times(-1)
        return Comparison(
            self.b,
            self.a,
            gain.mean,
            gain.ci_low,
            gain.ci_high,
            self.p_adjusted,
            self.detectable_bps,
        )

    def __str__(self) -> str:
        """Sentence such as "mine is 1.00 bps cheaper than pov [0.25, 1.75], adjusted p 0.01; minimum detectable effect
        1.20 bps".
        """
        positive, relation = (
            (self, "cheaper") if self.difference_bps >= 0 else (self.turned, "more expensive")
        )
        text = f"{self.a} is {positive.difference_bps:.2f} bps {relation} than {self.b}"
        if positive.ci_low is not None and positive.ci_high is not None:
            text += f" [{positive.ci_low:.2f}, {positive.ci_high:.2f}]"
        if self.p_adjusted is not None:
            text += f", adjusted p {self.p_adjusted:.2g}" + (
                "" if self.significant else ", not significant"
            )
        else:
            text += ", no verdict"
        if self.detectable_bps is not None:
            text += f"; minimum detectable effect {self.detectable_bps:.2f} bps"
        return text

    def _repr_html_(self) -> str:
        """The sentence as HTML for notebooks."""
        return f"<p>{html.escape(str(self))}</p>"
