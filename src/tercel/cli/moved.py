"""Commands that are run from a clone now: what was typed is answered with the new command, for one version."""

import shlex
from collections.abc import Sequence
from typing import NoReturn

import typer

from tercel.cli.plugins import hide
from tercel.core.report.terminal import print_json, say

MOVED = {
    "bench": "python -m benchmarks",
    "bench regimes": "python -m studies regimes",
    "replicate": "python -m replications",
    "market event-study": "python -m studies event-study",
    "market metaorders": "python -m studies metaorders",
    "market replenishment": "python -m studies replenishment",
    "market transfer": "python -m studies transfer",
    "market queues": "python -m studies queues",
    "trade worth": "python -m studies worth",
} | {
    f"signals evaluate {study}": f"python -m studies signals {study}"
    for study in ("text", "ofi", "panel", "stocknet", "phases")
}
"""Command of `tercel` -> how it is run from a clone of the repository."""


def add_to(app: typer.Typer) -> None:
    """Answer the old commands, without naming them in the help."""
    groups = {"": app} | {str(one.name): one.typer_instance for one in app.registered_groups if one.typer_instance}
    for old in MOVED:
        group, _, name = old.rpartition(" ")
        if group in groups:
            hide(groups[group], name, _answer)


def answer(old: str, args: Sequence[str]) -> NoReturn:
    """Say what the command `old` is now, with what was typed after it, and end with exit code 2."""
    new = shlex.join([*MOVED[old].split(), *args])
    say(f"`tercel {old}` has moved: {new}   (from a clone of the repository)")
    if "--json" in args:
        parts = {"expected": "a command of tercel", "received": f"tercel {old}", "remedy": f"{new}, from a clone"}
        print_json({"error": {"kind": "CommandMoved", **parts}})
    raise typer.Exit(2)


def _answer(context: typer.Context) -> None:
    typed, above = [str(context.info_name)], context.parent
    while above is not None and above.parent is not None:
        typed.insert(0, str(above.info_name))
        above = above.parent
    old, args = " ".join(typed), context.args
    if args and f"{old} {args[0]}" in MOVED:
        old, args = f"{old} {args[0]}", args[1:]
    answer(old, args)
