"""Body of `tercel agent promote`: no champion without evidence, or a reason that a person gives."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from tercel.app.commands.agent_register import now
from tercel.app.machine import person
from tercel.app.output import print_json, say
from tercel.core.errors import ConfigError
from tercel.execution.registry import Entry, Version, open_registry
from tercel.execution.registry.entries import checked_alias
from tercel.execution.registry.evidence import gains, judged_as, read_evaluation


def run(label: str, to: str, evidence: Path | None, reason: str, registry: str, as_json: bool) -> None:
    """Check what speaks for the version, then move the alias."""
    name, at, which = label.rpartition("@")
    checked_alias(to)
    if not at or not which:
        raise ConfigError("a registered version", repr(label), "write NAME@VERSION; `tercel agent list` shows them")
    if evidence is None and not reason.strip():
        raise ConfigError(
            "evidence for a promotion, or a reason",
            "neither",
            f"--evidence FILE from `tercel agent evaluate {label} --against all --json`, or --reason TEXT",
        )
    kept = open_registry(registry)
    entry = kept.entry(name)
    version = entry.find(which)
    why, found = reason.strip(), []
    if evidence is not None:
        found = _proven(entry, version, evidence, kept.folder(version))
        why = "; ".join(filter(None, [why, f"{evidence.name}: {', '.join(gain['told'] for gain in found)}"]))
    made = kept.promote(name, str(version.number), to, why=why, at=now(), by=person())
    if as_json:
        print_json({"registry": kept.where, "name": name, "evidence": found, **asdict(made)})
        return
    before = f" (before: {name}@{made.before})" if made.before else ""
    say(f"{version.label} is {to} of {name}{before}: {why}")


def _proven(entry: Entry, version: Version, evidence: Path, folder: Path) -> list[dict[str, Any]]:
    """The gains that speak for a version; over the best baseline, and over the champion if it was judged beside it.

    Raises
    ------
    ConfigError
        When an interval does not lie above 0.
    """
    evaluation = read_evaluation(evidence)
    policy = judged_as(evaluation, version, {version.label, str(folder)})
    champion = dict(entry.aliases).get("champion", 0)
    rivals = [f"{entry.name}@{champion}", f"{entry.name}@champion"] if champion not in (0, version.number) else []
    found = gains(evaluation, policy, rivals)
    for gain in found:
        if gain.ci_low <= 0:
            raise ConfigError(
                "a paired gain whose interval lies above 0",
                f"{gain.told} in {evidence}",
                "train a better one, judge more episodes, or promote it for a --reason and no evidence",
            )
    return [{**asdict(gain), "told": gain.told} for gain in found]
