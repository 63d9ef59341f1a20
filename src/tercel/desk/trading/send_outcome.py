"""Outcome of a batch of commands that a gateway was given, and texts on cancels that it sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tercel.core import orders as o
from tercel.desk.limits import Denial


@dataclass(slots=True)
class SendOutcome:
    """Outcome of a batch of commands: those sent, those denied by limits or trading state, those whose sending failed."""

    sent: list[o.Command] = field(default_factory=list)
    denied: list[tuple[o.Command, Denial]] = field(default_factory=list)
    unknown: list[o.Command] = field(default_factory=list)


def deny_orphaned_cancel(command: o.Command, outcome: SendOutcome) -> Denial | None:
    """Denial of a cancel whose order was denied in the same batch; None for any other command."""
    if not isinstance(command, o.CancelOrder):
        return None
    denied = {
        denied_command.cl_ord_id
        for denied_command, _ in outcome.denied
        if isinstance(denied_command, o.NewOrder)
    }
    return (
        Denial("UNKNOWN_ORDER", f"orig={command.orig}, which was denied")
        if command.orig in denied
        else None
    )


def describe_cancels(accounts: Sequence[str], failed: Mapping[str, str]) -> str:
    """Text that names the accounts whose cancels were sent, and why the others failed.

    >>> describe_cancels(["ann", "bob"], {"bob": "the link is down"})
    'cancels sent for ann; NOT sent for bob: the link is down'
    >>> describe_cancels([], {})
    'nothing was open'
    """
    sent = ", ".join(account for account in accounts if account not in failed)
    parts = [f"cancels sent for {sent}"] if sent else []
    parts += [f"NOT sent for {account}: {reason}" for account, reason in failed.items()]
    return "; ".join(parts) or "nothing was open"
