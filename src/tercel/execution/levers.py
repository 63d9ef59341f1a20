"""Action set `levers`: actions move chosen parameters of a tuned rule at every decision; zeros leave the rule as it is.
The rules themselves are in `execution.strategies`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np

from tercel.core.arrays import AnyArray, Ints
from tercel.core.errors import ConfigError, check_known
from tercel.core.jit import Floats
from tercel.execution.action_checks import check_vectors, refuse_unknown
from tercel.execution.intent import Intents
from tercel.execution.strategies import TUNABLE
from tercel.execution.strategies.tunable import Tunable
from tercel.execution.view import View

# `levers`: some parameters of a tuned rule, moved by a network at every decision; all zeros are the rule itself.
#
# The rule keeps its order of thoughts (score, take, pace, display) and the network turns its knobs: an action adds
# ``scale * a`` to each lever, in the unconstrained space in which the rule was tuned.
_RUNGS: Final = {"improve": 2.0, "touch": 2.0, "behind_1": 2.0, "behind_2": 2.0, "behind_3": 2.0}
# Rules whose levers can be moved -> levers by default -> how far an action of 1 moves them.
RULES: Final[Mapping[str, Mapping[str, float]]] = {
    "score_rule": {"threshold": 1.0, "take": 1.0, "pace": 0.5, **_RUNGS},
    "direction_rule": {"wait": 1.0, "gap": 1.0, "take": 1.0, **_RUNGS},
}


@dataclass(frozen=True, eq=False)
class RuleLeversDecoder:
    """Decoder: actions are added, scaled, to some parameters of one tuned rule; the rule then decides.

    Parameters
    ----------
    rule : type of Tunable
    vector : float64 (P,)
        The rule's parameters where the network says nothing.
    places : int64 (A,)
        Which of them are levers.
    scales : float64 (A,)
    labels : tuple of str
        Their names.

    >>> from tercel.execution.strategies import build
    >>> from tercel.execution.probe_views import view_of
    >>> view, decoder = view_of(left=range(20)), levers_decoder({"base": "score_rule"})
    >>> bool((decoder.decode(np.zeros((20, 8)), view) == build("score_rule").decide(view)).all())
    True
    """

    rule: type[Tunable]
    vector: Floats
    places: Ints
    scales: Floats
    labels: tuple[str, ...]
    continuous: ClassVar = True

    def decode(self, actions: AnyArray, view: View) -> Intents:
        """Intents int32 (n, 10) that the rule decides with float (n, A) actions, times their scales, added to its parameters.

        Raises
        ------
        ConfigError
            Another shape, or an action that is not finite.
        """
        actions = check_vectors(actions, view.n, self.labels)
        rows = np.repeat(self.vector[None, :], view.n, axis=0)
        rows[:, self.places] += actions * self.scales
        return self.rule(rows).decide(view)


def levers_decoder(parameters: Mapping[str, Any]) -> RuleLeversDecoder:
    """The `levers` decoder of a policy card's `action_parameters`: `base` rule, its `parameters`, and scales of its `levers`.

    Parameters
    ----------
    parameters : mapping
        ``base``: the rule's name; ``parameters``: its values by name (generic ones where none is given); ``levers``:
        name -> scale (the rule's own by default).

    Raises
    ------
    ConfigError, UnknownNameError
        A parameter, a rule or a lever that there is not; the nearest is offered.
    """
    refuse_unknown(parameters, ("base", "parameters", "levers"), "levers")
    base = str(parameters.get("base", "score_rule"))
    check_known(base, RULES, "a rule with levers:")
    rule: type[Tunable] = TUNABLE[base]
    lever_scales: Mapping[str, float] = parameters.get("levers") or RULES[base]
    for name, scale in lever_scales.items():
        check_known(name, rule.layout.names, f"levers of {base}:")
        if not (np.isfinite(scale) and scale > 0):
            raise ConfigError("scales of levers above 0", f"{name} = {scale}", "such as 1.0")
    vector = rule.layout.vector(parameters.get("parameters") or None)
    places = np.array([rule.layout.names.index(name) for name in lever_scales], np.int64)
    return RuleLeversDecoder(
        rule, vector, places, np.array(list(lever_scales.values()), np.float64), tuple(lever_scales)
    )
