"""The limit file: TOML with sections for desk, agents and instruments, validated whole or refused.

``[desk]``, ``[instruments.NAME]`` and ``[agents.NAME]``; a section named ``"*"`` holds where a name has no
line of its own. `packaged_text` is the file that explains every key, from the declarations in `limit_sets`.
"""

import hashlib
import json
import textwrap
from pathlib import Path
from typing import Any, Final, TypeVar

from tercel.core.bounded_parsing import JsonSchema, Tables, parse_tables
from tercel.core.errors import LimitsError, suggest_name
from tercel.desk.limits.limit_sets import (
    ANY,
    FIELDS,
    SECTIONS,
    AgentLimits,
    DeskLimits,
    InstrumentLimits,
    Limits,
    ScopeLimits,
)
from tercel.desk.limits.units import LimitKey, format_value

_Kind = TypeVar("_Kind", DeskLimits, AgentLimits, InstrumentLimits)


_NO_FILE: Final = (
    "it names none and trades under the packaged limits, which `tercel limits show-default` prints"
)


_INTRODUCTION: Final = """\
# Limits of a desk. Every command of every agent is checked against them before it leaves; an order without a limit is refused.
#
# Values are in the currency of the prices, quantities in lots. A section named "*" holds for every instrument (agent) of the
# desk without a section of its own; a named section, [instruments.CSCO], overrides single keys of it.
# A limit is the most that passes: order_lots = 100 lets 100 lots through and refuses 101.
# `tercel limits check FILE` prints a file as it is understood.
"""
_HEADS: Final = {
    "desk": ("[desk]", "all agents and all instruments together"),
    "instruments": ('[instruments."*"]', "all agents together, in one instrument"),
    "agents": ('[agents."*"]', "one agent, in all instruments"),
}
_TEXT_AT: Final = 29
"""Column of the texts in the packaged file."""
_COLUMNS: Final = 126


def packaged_text() -> str:
    """The packaged limit file, with every key explained.

    >>> packaged_text().splitlines()[8]
    'order_lots = 5000            # lots of one order'
    """
    lines = []
    for section, (head, about) in _HEADS.items():
        lines.append(f"\n{head:<{_TEXT_AT}}# {about}")
        for key, declared in FIELDS[SECTIONS[section]].items():
            if section in declared.packaged:
                line = f"{key} = {format_toml(declared.packaged[section])}"
                lines += textwrap.wrap(
                    declared.text,
                    _COLUMNS,
                    initial_indent=f"{line:<{_TEXT_AT - 1}} # ",
                    subsequent_indent=f"{'':<{_TEXT_AT}}# ",
                )
    return f"{_INTRODUCTION}{chr(10).join(lines)}\n"


def format_toml(value: Any) -> str:
    """A value of a limit file as TOML: five digits and more in groups of three.

    >>> format_toml(5000), format_toml(20000), format_toml(True), format_toml("always")
    ('5000', '20_000', 'true', '"always"')
    """
    return f"{value:_}" if type(value) is int and value > 9999 else json.dumps(value)


def read_packaged() -> Limits:
    """The packaged limits."""
    return parse(packaged_text(), "the packaged limits")


def read(path: Path) -> Limits:
    """Read a limit file.

    Raises
    ------
    LimitsError
        When it is absent or holds anything that cannot be applied to the letter: nothing of it is in force then.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise LimitsError(
            "a limit file", f"{path}: {error.strerror}", "name a TOML file of limits"
        ) from None
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise LimitsError(
            "a limit file in UTF-8", f"{path}, byte {error.start}", "save it as UTF-8"
        ) from None
    return parse(text, str(path))


def parse(text: str, source: str = "limits") -> Limits:
    """Parse the text of a limit file.

    Raises
    ------
    LimitsError
        See `read`.

    >>> limits = parse(packaged_text())
    >>> limits.of_agent("anyone").order_lots, limits.of_instrument("CSCO").collar_bps
    (5000, 500)
    """
    try:
        data = parse_tables(text, decimals=True)
    except (ValueError, ArithmeticError) as error:  # of numbers that no reader takes too
        raise LimitsError("a TOML file", f"{source}: {error}", "correct the line") from None
    _refuse_desk_file(data, source)
    for name in data:
        if name not in SECTIONS:
            raise unknown_name(name, tuple(SECTIONS), f"section {name}", source)
    for name in SECTIONS:
        if not isinstance(data.get(name), dict) or not data[name]:
            example = f"[{name}]" if name == "desk" else f'[{name}."*"]'
            raise LimitsError(
                f"a section {example} of limits",
                f"none in {source}"
                if name not in data
                else f"{format_value(data[name])} in {source}",
                "`tercel limits show-default` prints an example",
            )
    return Limits(
        _section(DeskLimits, data["desk"], {}, LimitKey(source, "desk")),
        _sections(InstrumentLimits, data["instruments"], "instruments", source),
        _sections(AgentLimits, data["agents"], "agents", source),
        source,
        hashlib.sha256(text.encode()).hexdigest(),
    )


def _refuse_desk_file(data: Tables, source: str) -> None:
    """Refuse a desk's file given as limits file, which has a section [desk] too."""
    desk = data.get("desk")
    is_desk = isinstance(desk, dict) and not desk.keys().isdisjoint(
        ("rounds", "round_s", "decision_s")
    )
    if not (is_desk or any(isinstance(data.get(name), list) for name in ("agent", "instrument"))):
        return
    limits = data.get("limits")
    named = limits.get("file") if isinstance(limits, dict) else None
    raise LimitsError(
        "a limit file",
        f"{source}: this is a desk's file; its limits are named in [limits] file",
        f"check {named}, the limit file that it names" if named else _NO_FILE,
    )


def _sections(kind: type[_Kind], data: Tables, room: str, source: str) -> dict[str, _Kind]:
    """Limits by name, `"*"` among them, of the sections in `data`; missing keys come from `"*"`. `room`, `source`: for errors."""
    limits_by_name: dict[str, _Kind] = {}
    for name, section in data.items():
        if not isinstance(section, dict):
            raise LimitKey(source, room, name).refusal(
                f"a section [{room}.NAME]", format_value(section), f"give [{room}] names"
            )
    for name, section in data.items():
        limits_by_name[name] = _section(
            kind, section, data.get(ANY, {}), LimitKey(source, f'{room}."{name}"')
        )
    return limits_by_name


def _section(kind: type[_Kind], data: Tables, defaults: Tables, place: LimitKey) -> _Kind:
    """Limits of one section; a missing key has the value of `defaults`, or that which its declaration says."""
    declared = FIELDS[kind]
    for key in data:
        if key not in declared:
            raise unknown_name(
                key, tuple(declared), f"key {key} of [{place.section}]", place.source
            )
    written = {**defaults, **data}
    for key, each in declared.items():
        if key not in written and each.left_out is not None:
            written[key] = each.left_out(written)
        if written.get(key) is None:
            raise place.refusal(
                f"a limit {key}", "none", "set the limit: without it every order is refused"
            )
    return kind(
        **{
            each.name: each.unit.read(written[key], LimitKey(place.source, place.section, key))
            for key, each in declared.items()
        }
    )


def unknown_name(name: str, allowed: tuple[str, ...], subject: str, source: str) -> LimitsError:
    """Error for an unknown key or section, with the nearest known name."""
    return LimitsError(
        f"one of {', '.join(allowed)}",
        f"{subject} in {source}",
        suggest_name(name, allowed, "take it out"),
    )


def schema() -> JsonSchema:
    """The JSON schema of a limit file."""
    sections = {"desk": _section_schema(DeskLimits, is_complete=True)}
    for name in ("instruments", "agents"):
        sections[name] = {
            "type": "object",
            "additionalProperties": _section_schema(SECTIONS[name], is_complete=False),
            "minProperties": 1,
        }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "hard limits",
        "type": "object",
        "properties": sections,
        "required": list(sections),
        "additionalProperties": False,
    }


def _section_schema(kind: type[ScopeLimits], *, is_complete: bool) -> JsonSchema:
    """Schema of one section's keys, which are required where it must be complete and they have no value if left out."""
    required = [key for key, each in FIELDS[kind].items() if each.left_out is None]
    return {
        "type": "object",
        "properties": {key: each.unit.schema for key, each in FIELDS[kind].items()},
        "additionalProperties": False,
        **({"required": required} if is_complete else {}),
    }


def in_file_units(limits: Limits) -> Tables:
    """Limits in the file's keys and units: ``source``, ``sha256``, ``desk``, ``instruments``, ``agents``."""
    return {
        "source": limits.source,
        "sha256": limits.sha256,
        "desk": _as_written(limits.desk),
        "instruments": {name: _as_written(each) for name, each in limits.instruments.items()},
        "agents": {name: _as_written(each) for name, each in limits.agents.items()},
    }


def _as_written(scope: ScopeLimits) -> Tables:
    """A scope's limits by the file's keys, in the file's units, without those that are unset."""
    return {
        key: each.unit.write(getattr(scope, each.name))
        for key, each in FIELDS[type(scope)].items()
        if not each.is_unset(getattr(scope, each.name))
    }
