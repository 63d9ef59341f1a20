"""`levers`: some parameters of a tuned rule, moved by a network at every decision; all zeros are the rule itself.

The rule keeps its order of thoughts (score, take, pace, display) and the network turns its knobs: an action adds
``scale * a`` to each lever, in the unconstrained space in which the rule was tuned.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np

from tercel.core.arrays import AnyArray, Ints
from tercel.core.errors import ConfigError
from tercel.core.jit import Floats
from tercel.core.names import check_known
from tercel.execution.actions.choice import checked_vectors, refuse_unknown
from tercel.execution.intent import Intents
from tercel.execution.strategies.vector import Tunable
from tercel.execution.view import View

_RUNGS: Final = {"improve": 2.0, "touch": 2.0, "behind_1": 2.0, "behind_2": 2.0, "behind_3": 2.0}
RULES: Final[Mapping[str, Mapping[str, float]]] = {
    "score_rule": {"threshold": 1.0, "take": 1.0, "pace": 0.5, **_RUNGS},
    "direction_rule": {"wait": 1.0, "gap": 1.0, "take": 1.0, **_RUNGS},
}
"""Rules whose levers can be moved -> levers by default -> how far an action of 1 moves them."""


@dataclass(frozen=True, eq=False)
class RuleLeversDecoder:
    """Decoder that moves the parameters of one tuned rule.

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
    >>> from tercel.execution.probes import view_of
    >>> view, decoder = view_of(left=range(20)), levers({"base": "score_rule"})
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
        """Intents int32 (n, 10) of float (n, A) actions.

        Raises
        ------
        ConfigError
            Another shape, or an action that is not finite.
        """
        actions = checked_vectors(actions, view.n, self.labels)
        rows = np.repeat(self.vector[None, :], view.n, axis=0)
        rows[:, self.places] += actions * self.scales
        return self.rule(rows).decide(view)


def levers(parameters: Mapping[str, Any]) -> RuleLeversDecoder:
    """The decoder that a card's `action_parameters` describe.

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
    from tercel.execution.strategies import TUNABLE

    rule: type[Tunable] = TUNABLE[base]
    moved: Mapping[str, float] = parameters.get("levers") or RULES[base]
    for name, scale in moved.items():
        check_known(name, rule.layout.names, f"levers of {base}:")
        if not (np.isfinite(scale) and scale > 0):
            raise ConfigError("scales of levers above 0", f"{name} = {scale}", "such as 1.0")
    vector = rule.layout.vector(parameters.get("parameters") or None)
    places = np.array([rule.layout.names.index(name) for name in moved], np.int64)
    return RuleLeversDecoder(
        rule, vector, places, np.array(list(moved.values()), np.float64), tuple(moved)
    )
