"""Posture policy: a table of rules with hysteresis from risk states to how one instrument may be traded.

A rule watches one input. It comes into force at `enter` at once, and is lifted beyond `leave` not before it has been in
force for the dwell time, so that an input that hovers at a threshold does not flap. Rules in force are combined by the
most careful word of each kind: the lowest cap, the smallest size, the styles that all of them allow; urgency is the
highest one requested. An input that is missing, no number, stale or from the future gives the cautious posture.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from tercel.core.errors import ConfigError, DataError, refuse_if
from tercel.core.messages import ANY_STYLE, Posture, Style
from tercel.core.vocabulary import NS_PER_SECOND

NAMES: Mapping[str, str] = MappingProxyType(
    {
        "volatility_ratio": "volatility against its usual level",
        "depth_ratio": "depth against its usual level",
        "anomaly": "anomaly score against its alarm",
    }
)
"""Inputs and how a reason calls them."""


class RiskState(NamedTuple):
    """Risk measures of one instrument at one moment.

    Parameters
    ----------
    instrument : str
    at_ns : int
        When it was measured.
    volatility_ratio, depth_ratio : float or None
        Volatility now, and lots near the touch now, over their usual levels: 1 is ordinary.
    anomaly : float or None
        Score over its alarm threshold: 1 is the alarm, around 0 is ordinary (:mod:`tercel.signals.risk.anomaly`).

    NaN says that a measurement failed, None that it is not measured; both are answered by caution where a policy requires
    the input. None is passed over where it does not.
    """

    instrument: str
    at_ns: int
    volatility_ratio: float | None = None
    depth_ratio: float | None = None
    anomaly: float | None = None


@dataclass(frozen=True, slots=True)
class PostureDemand:
    """Demand of a rule in force on trading; the defaults demand nothing."""

    urgency: float = 0.0
    max_participation: float = 1.0
    styles: Style = ANY_STYLE
    size_multiplier: float = 1.0


@dataclass(frozen=True, slots=True)
class PostureRule:
    """One line of a posture policy.

    Parameters
    ----------
    name : str
        Name in reasons.
    watches : str
        A field of :class:`RiskState`.
    enter, leave : float
        In force from `enter` on, lifted beyond `leave`. `enter > leave` watches for high values, `enter < leave` for
        low ones.
    asks : PostureDemand
    """

    name: str
    watches: str
    enter: float
    leave: float
    asks: PostureDemand

    def __post_init__(self) -> None:
        """Refuse a rule without a gap between its thresholds, or over an unknown input."""
        if self.watches not in NAMES:
            raise ConfigError(
                f"a rule over one of {', '.join(NAMES)}", f"'{self.watches}'", "name one of them"
            )
        refuse_if(
            not (math.isfinite(self.enter) and math.isfinite(self.leave))
            or self.enter == self.leave,
            "two numbers apart as thresholds",
            f"enter {self.enter:g}, leave {self.leave:g} of rule '{self.name}'",
            "leave a gap, or the risk state flaps",
        )

    @property
    def on_high(self) -> bool:
        """Whether it watches for high values."""
        return self.enter > self.leave

    def enters(self, value: float) -> bool:
        """Whether a value triggers the rule: at or beyond `enter`."""
        return value >= self.enter if self.on_high else value <= self.enter

    def leaves(self, value: float) -> bool:
        """Whether a value allows the rule to be lifted: strictly beyond `leave`."""
        return value < self.leave if self.on_high else value > self.leave


def early_rules(
    urgency: float, volatility: float, depth: float, suffix: str = ""
) -> tuple[PostureRule, ...]:
    """Rules that ask for haste once volatility is up or depth is going."""
    asks = PostureDemand(urgency=urgency)
    return (
        PostureRule(
            f"volatility high{suffix}", "volatility_ratio", volatility, 0.6 * volatility, asks
        ),
        PostureRule(f"depth going{suffix}", "depth_ratio", depth, 1.5 * depth, asks),
    )


def _smaller(name: str, watches: str, enter: float, leave: float, size: float) -> PostureRule:
    """A rule that demands a smaller size while the input `watches` is beyond `enter`."""
    return PostureRule(name, watches, enter, leave, PostureDemand(size_multiplier=size))


DEFAULT_RULES = (
    _smaller("volatility raised", "volatility_ratio", 1.5, 1.25, 0.75),
    _smaller("volatility high", "volatility_ratio", 2.5, 1.75, 0.5),
    _smaller("depth thin", "depth_ratio", 0.6, 0.8, 0.75),
    _smaller("depth gone", "depth_ratio", 0.4, 0.55, 0.5),
    _smaller("anomaly", "anomaly", 1.0, 0.6, 0.25),
    _smaller("anomaly extreme", "anomaly", 2.0, 1.0, 0.0),
    *early_rules(0.9, 2.5, 0.55, ": finish early"),
)
"""New parents are smaller in stress, and open ones are finished early.

Measured (`python -m studies worth posture`): caps on what is at work make the tail of cost worse when depth goes, as
the horizon takes the remaining lots in a thin book; faster trading while there is depth reduces it.
"""

CAUTIOUS = PostureDemand(
    urgency=0.0, max_participation=0.05, styles=Style.JOIN, size_multiplier=0.0
)
"""Of broken inputs."""


@dataclass(frozen=True, slots=True)
class PostureConfig:
    """A posture policy's table.

    Parameters
    ----------
    rules : tuple of PostureRule
    required : tuple of str
        Inputs without which the posture is the cautious one.
    stale_ns : int
        A state older than this is stale.
    dwell_ns : int
        A rule stays in force at least so long, and so does caution after the last broken input.
    """

    rules: tuple[PostureRule, ...] = DEFAULT_RULES
    required: tuple[str, ...] = ("volatility_ratio", "depth_ratio", "anomaly")
    stale_ns: int = 10 * NS_PER_SECOND
    dwell_ns: int = 30 * NS_PER_SECOND

    def __post_init__(self) -> None:
        """Refuse unknown inputs, times below zero and two rules of one name."""
        unknown = [name for name in self.required if name not in NAMES]
        if unknown:
            raise ConfigError(
                f"required inputs among {', '.join(NAMES)}", f"'{unknown[0]}'", "name one of them"
            )
        refuse_if(
            self.stale_ns <= 0 or self.dwell_ns < 0,
            "stale_ns above 0 and dwell_ns of at least 0",
            f"stale_ns {self.stale_ns}, dwell_ns {self.dwell_ns}",
            "correct the policy of risk states",
        )
        names = [rule.name for rule in self.rules]
        refuse_if(
            len(set(names)) < len(names),
            "a name of its own for each rule",
            ", ".join(names),
            "rename one of the rules of the same name",
        )


class PosturePolicy:
    """The posture of one instrument through time.

    Parameters
    ----------
    instrument : str
    config : PostureConfig

    >>> policy = PosturePolicy("A")
    >>> policy.update(RiskState("A", 0, volatility_ratio=1.0, depth_ratio=1.0, anomaly=0.1), 0).size_multiplier
    1.0
    >>> policy.update(RiskState("A", 1, volatility_ratio=1.0, depth_ratio=0.33, anomaly=0.1), 1).reasons[1]
    'depth gone: depth against its usual level is 0.33, at or below 0.4'
    """

    def __init__(self, instrument: str, config: PostureConfig | None = None) -> None:
        """Start with no rule in force and no state."""
        self.instrument = instrument
        self.config = config or PostureConfig()
        self.changes: tuple[str, ...] = ()
        """Changes by the last state, in words with figures; empty without a change."""
        self._since: dict[str, int] = {}
        self._broken_ns: int | None = None
        self._last_ns: int | None = None
        self._state: RiskState | None = None
        self._caution: tuple[str, ...] = ()

    def update(self, state: RiskState | None, at_ns: int) -> Posture:
        """Posture after the newest state (None: no state): :meth:`follow`, then :meth:`posture`."""
        self.follow(state, at_ns)
        return self.posture()

    def follow(self, state: RiskState | None, at_ns: int) -> bool:
        """Apply the newest state (None: there is none); return whether a rule came into force or was lifted, or caution
        began or ended.

        Raises
        ------
        DataError
            When time runs backwards.
        ConfigError
            For the state of another instrument.
        """
        if self._last_ns is not None and at_ns < self._last_ns:
            raise DataError(
                f"a moment from {self._last_ns} ns on",
                f"{at_ns} ns",
                "feed risk states in the order of time",
            )
        if state is not None and state.instrument != self.instrument:
            raise ConfigError(
                f"the state of {self.instrument}", f"that of {state.instrument}", "one policy each"
            )
        self._last_ns = at_ns
        self._state = state
        changes: list[str] = []
        broken = self._defects(state, at_ns)
        self._caution = self._caution_reasons(broken, at_ns, changes)
        if state is not None and not broken:
            self._apply_rules(state, at_ns, changes)
        self.changes = tuple(changes)
        return bool(changes)

    def posture(self) -> Posture:
        """The posture at the last state: the cautious one where it is broken or was until lately, else by the rules in force."""
        at_ns = self._last_ns or 0
        state = self._state
        if state is None or self._caution:
            return self._posture(at_ns, [CAUTIOUS], self._caution)
        active = [rule for rule in self.config.rules if rule.name in self._since]
        reason = tuple(self._reason(rule, state, at_ns) for rule in active)
        return self._posture(at_ns, [PostureDemand(), *(rule.asks for rule in active)], reason)

    def _defects(self, state: RiskState | None, at_ns: int) -> list[str]:
        """Defects of a state, in words; empty for a usable state."""
        if state is None:
            return ["no state of the market is there"]
        age = at_ns - state.at_ns
        if age > self.config.stale_ns:
            return [
                f"the state is stale: {age / 1e9:.1f} s old, more than {self.config.stale_ns / 1e9:g} s"
            ]
        if age < 0:
            return [f"the state is from the future: {-age / 1e9:.3g} s ahead of the clock"]
        defects = []
        for name, reason in NAMES.items():
            value = getattr(state, name)
            if value is None:
                if name in self.config.required:
                    defects.append(f"{reason} is missing")
            elif not math.isfinite(value):
                defects.append(f"{reason} is no number ({value})")
            elif name != "anomaly" and value < 0:
                defects.append(f"{reason} cannot be {value:g}")
        return defects

    def _caution_reasons(
        self, broken: list[str], at_ns: int, changes: list[str]
    ) -> tuple[str, ...]:
        """Reasons for the cautious posture, empty without one; appends to `changes` where caution begins or ends."""
        if broken:
            if self._broken_ns is None:
                changes.append("cautious: " + "; ".join(broken))
            self._broken_ns = at_ns
            return tuple(f"cautious: {defect}" for defect in broken)
        if self._broken_ns is None:
            return ()
        sound_ns = at_ns - self._broken_ns
        if sound_ns < self.config.dwell_ns:
            return (
                f"cautious: inputs whole for {sound_ns / 1e9:.1f} s of {self.config.dwell_ns / 1e9:g} s",
            )
        self._broken_ns = None
        changes.append(f"caution over: inputs whole for {sound_ns / 1e9:.1f} s")
        return ()

    def _apply_rules(self, state: RiskState, at_ns: int, changes: list[str]) -> None:
        """Bring rules into force and lift them by a usable state, appending each change in words to `changes`."""
        for rule in self.config.rules:
            value = getattr(state, rule.watches)
            since = self._since.get(rule.name)
            if value is None:
                if since is not None and at_ns - since >= self.config.dwell_ns:
                    del self._since[rule.name]
                    changes.append(f"lifted {rule.name}: it is no longer measured")
            elif since is None and rule.enters(value):
                self._since[rule.name] = at_ns
                changes.append(f"in force: {self._reason(rule, state, at_ns)}")
            elif since is not None and rule.leaves(value) and at_ns - since >= self.config.dwell_ns:
                del self._since[rule.name]
                beyond = "below" if rule.on_high else "above"
                changes.append(
                    f"lifted {rule.name}: {NAMES[rule.watches]} is {value:.2f}, {beyond} {rule.leave:g}"
                )

    def _reason(self, rule: PostureRule, state: RiskState, at_ns: int) -> str:
        """Reason for a rule in force, with the value of its input, its threshold and how long the rule has been held."""
        value = getattr(state, rule.watches)
        reason = f"{rule.name}: {NAMES[rule.watches]} is " + (
            "not measured" if value is None else f"{value:.2f}"
        )
        if value is not None and rule.enters(value):
            return f"{reason}, at or {'above' if rule.on_high else 'below'} {rule.enter:g}"
        if value is None or rule.leaves(value):
            held_s = (at_ns - self._since[rule.name]) / 1e9
            return f"{reason}, held for {held_s:.0f} s of {self.config.dwell_ns / 1e9:g} s"
        return f"{reason}, not yet {'below' if rule.on_high else 'above'} {rule.leave:g}"

    def _posture(
        self, at_ns: int, stances: list[PostureDemand], reasons: tuple[str, ...]
    ) -> Posture:
        """The most careful combination of the demands of all rules in force."""
        styles = ANY_STYLE
        for stance in stances:
            styles &= stance.styles
        return Posture(
            self.instrument,
            at_ns,
            urgency=max(stance.urgency for stance in stances),
            max_participation=min(stance.max_participation for stance in stances),
            styles=styles or Style.JOIN,
            size_multiplier=min(stance.size_multiplier for stance in stances),
            reasons=reasons,
        )
