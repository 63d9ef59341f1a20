"""The verdict that an interval gives: better, worse or open, and the sentence on a comparison."""

from collections.abc import Callable, Mapping

from tercel.core.estimate import Estimate, PairedGain
from tercel.core.report.cells import is_known
from tercel.core.report.formatting import format_interval, format_number

VERDICT_TEXTS = {
    "better": "cheaper",
    "worse": "more expensive",
    "open": "no significant difference",
}
COMPARISON_TEXTS = {
    "better": "cheaper than",
    "worse": "more expensive than",
    "open": "no significant difference to",
}


def verdict(interval: Estimate) -> str:
    """Verdict on a gain's interval: "better" if all above zero, "worse" if all below, "open" if it holds zero or is unknown.

    >>> verdict(Estimate(1.0, 0.2, 1.8)), verdict(Estimate(1.0, -0.2, 2.2))
    ('better', 'open')
    """
    if is_known(interval.ci_low) and interval.ci_low > 0:
        return "better"
    return "worse" if is_known(interval.ci_high) and interval.ci_high < 0 else "open"


def verdict_sentence(
    policy: str,
    gains: Mapping[str, PairedGain],
    digits: int = 2,
    judge: Callable[[PairedGain], str] | None = None,
    conditions: Mapping[str, str] | None = None,
) -> str:
    """Sentence that compares a policy with others, by the intervals of its gains or by `judge`'s verdicts.

    What could have been found is said where nothing was, and where it is known (`power`); where the policy is cheaper than
    an opponent also what that rests on (`conditions`), if anything.

    >>> verdict_sentence("mine", {"pov": PairedGain(0.1, -0.2, 0.4, power=0.43)})[:71]
    'mine: no significant difference to pov (gain +0.10 [-0.20, +0.40] bps; '
    >>> verdict_sentence("mine", {"random": PairedGain(2.0, 1.0, 3.0)})
    'mine: cheaper than random (gain +2.00 [+1.00, +3.00] bps).'
    """
    parts = []
    for opponent, gain in gains.items():
        outcome = (judge or verdict)(gain)
        detectable = gain.power
        power = f"; a true gain of {format_number(detectable, digits)} would have been detected with 80 % power"
        power *= outcome == "open" and is_known(detectable)
        condition = (conditions or {}).get(opponent, "") if outcome == "better" else ""
        call = " ".join(filter(None, (COMPARISON_TEXTS[outcome], opponent, condition)))
        interval = format_interval(gain, signed=True, digits=digits)
        parts.append(f"{call} (gain {interval} bps{power})")
    return f"{policy}: {', '.join(parts)}."


def known_mean(interval: Estimate | None) -> float | None:
    """Mean of an estimate; None if it is missing or not finite."""
    return interval.mean if interval is not None and is_known(interval.mean) else None


def interval_values(interval: Estimate | None) -> tuple[float | None, float | None, float | None]:
    """Mean, lower and upper bound of an estimate, in this order; all None without an estimate."""
    return (
        (None, None, None)
        if interval is None
        else (interval.mean, interval.ci_low, interval.ci_high)
    )
