"""Commands that are run from a clone now: what was typed is answered with the new command, for one version."""

import shlex

import typer

from tercel.app.output import print_json, say

MOVED = {
    "bench": "python -m benchmarks",
    "replicate": "python -m replications",
}
"""Command of `tercel` -> how it is run from a clone of the repository."""


def add_to(app: typer.Typer) -> None:
    """Answer the old commands, without naming them in the help."""
    anything = {"allow_extra_args": True, "ignore_unknown_options": True}
    for old in MOVED:
        app.command(old, hidden=True, add_help_option=False, context_settings=anything)(_answer)


def _answer(context: typer.Context) -> None:
    old = context.info_name or ""
    new = shlex.join([*MOVED[old].split(), *context.args])
    say(f"`tercel {old}` has moved: {new}   (from a clone of the repository)")
    if "--json" in context.args:
        parts = {"expected": "a command of tercel", "received": f"tercel {old}", "remedy": f"{new}, from a clone"}
        print_json({"error": {"kind": "CommandMoved", **parts}})
    raise typer.Exit(2)
