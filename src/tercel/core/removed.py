"""Record of removed names (commands, keys, models, sources ...), each refused with the reason and the last commit that has it."""

from typing import Final

from tercel.core.errors import UnknownNameError, refuse_if

REMOVED: Final[dict[str, dict[str, str]]] = {
    "commands": dict.fromkeys(
        (
            "agent explain",
            "agent sweep",
            "families sequences",
            "signals compare",
            "signals panel",
            "signals stocknet",
            "signals text",
            "transfer",
        ),
        "f405a0a1a: its study is finished",
    ),
    "families": {
        "lstm": "f405a0a1a: R² at 60 s -2.10 [-2.59, -1.61] points against a line",
        "svm_linear": "f405a0a1a: R² as of a line, 0.00 points apart",
        "svm_rbf": "f405a0a1a: R² at 10 s -3.22 [-4.10, -2.35] points against a line",
        "transformer": "f405a0a1a: R² at 60 s -1.98 [-2.40, -1.56] points against a line",
    },
    "keys": {
        "compare": "f405a0a1a: it was of `tercel signals compare`",
        "sweep": "f405a0a1a: it was of `tercel agent sweep`",
        "vol_target": "043426ac0: it gained nothing, Sharpe ratio -.09 [-.31, .13]",
    },
    "panels": {"stocknet": "f405a0a1a: accuracy .510 [.486, .535], of the majority .513"},
    "sources": {"tweets": "f405a0a1a: accuracy .510 [.486, .535], of the majority .513"},
    "strategies": {
        "twap_take+alpha": "f405a0a1a: it gained nothing significant, 0.52 [-0.23, 1.28] bps with a perfect forecast"
    },
}
"""Kind -> name -> the last commit that has it, and why it was removed."""


def refuse_removed(kind: str, name: str, received: str = "") -> None:
    """Raise UnknownNameError for a name that was removed (`kind` as in `REMOVED`); `received` replaces the name in the
    error.

    Raises
    ------
    UnknownNameError
        With the reason and the last commit that has it.

    >>> refuse_removed("families", "linear")
    """
    refuse_if(
        bool(reason := REMOVED.get(kind, {}).get(name, "")),
        f"{kind} of this version",
        f"{received or repr(name)}, which was removed after {reason}",
        "take it out, or check out that commit",
        UnknownNameError,
    )
