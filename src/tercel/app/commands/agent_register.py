"""Body of `tercel agent register`."""

from dataclasses import asdict
from datetime import UTC, datetime

from tercel.app.machine import person
from tercel.app.output import print_json, say
from tercel.execution.registry import open_registry, resolve_policy


def run(policy: str, name: str, note: str, registry: str, as_json: bool) -> None:
    """Keep a policy as the next version of a name, or say which version it is already."""
    folder = resolve_policy(policy, registry)
    kept = open_registry(registry)
    before = {version.number for version in kept.entry(name).versions}
    version = kept.register(folder, name, note=note, at=now(), by=person())
    new = version.number not in before
    if as_json:
        print_json({"registry": kept.where, "new": new, "label": version.label, **asdict(version)})
        return
    say(f"registered as {version.label} in {kept.where}" if new else f"it is {version.label} already, in {kept.where}")


def now() -> str:
    """The time on the wall, for those who read the registry."""
    return datetime.now(UTC).isoformat(timespec="seconds")
