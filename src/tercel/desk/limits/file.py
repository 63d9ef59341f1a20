"""The limit file: TOML with sections for desk, agents and instruments, validated whole or refused.

``[desk]``, ``[instruments.NAME]`` and ``[agents.NAME]``; a section named ``"*"`` holds where a name has no
line of its own. `default.toml` beside this file explains every key; `file_values` reads the values.
"""

import hashlib
from pathlib import Path
from typing import Any, Final, TypeVar

from tercel.core.bounded_parsing import Tables, parse_tables
from tercel.core.errors import LimitsError, suggest_name
from tercel.desk.limits.file_values import DEFAULTS, KEYS, Place, format_value
from tercel.desk.limits.limit_sets import (
    ANY,
    WHOLE,
    AgentLimits,
    DeskLimits,
    InstrumentLimits,
    Limits,
    ScopeLimits,
)

_Kind = TypeVar("_Kind", DeskLimits, AgentLimits, InstrumentLimits)


_NO_FILE: Final = (
    "it names none and trades under the packaged limits, which `tercel limits show-default` prints"
)


def default_file() -> Path:
    """Path of the packaged limits file, with every key explained."""
    return Path(__file__).with_name("default.toml")


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

    >>> limits = parse(default_file().read_text())
    >>> limits.of_agent("anyone").order_lots, limits.of_instrument("CSCO").collar_bps
    (5000, 500)
    """
    try:
        data = parse_tables(text, decimals=True)
    except (ValueError, ArithmeticError) as error:  # of numbers that no reader takes too
        raise LimitsError("a TOML file", f"{source}: {error}", "correct the line") from None
    _refuse_desk_file(data, source)
    sections = ("desk", "instruments", "agents")
    for name in data:
        if name not in sections:
            raise _unknown(name, sections, f"section {name}", source)
    for name in sections:
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
        _section(DeskLimits, data["desk"], {}, Place(source, "desk")),
        _sections(InstrumentLimits, data["instruments"], "instruments", source),
        _sections(AgentLimits, data["agents"], "agents", source),
        source,
        hashlib.sha256(text.encode()).hexdigest(),
    )


def _refuse_desk_file(data: Tables, source: str) -> None:
    """Refuse a desk's file given as limits file, which has a section [desk] too."""
    desk = data.get("desk")
    lists = any(isinstance(data.get(name), list) for name in ("agent", "instrument"))
    if not (
        lists
        or (
            isinstance(desk, dict)
            and not desk.keys().isdisjoint(("rounds", "round_s", "decision_s"))
        )
    ):
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
            raise Place(source, room, name).refusal(
                f"a section [{room}.NAME]", format_value(section), f"give [{room}] names"
            )
    for name, section in data.items():
        limits_by_name[name] = _section(
            kind, section, data.get(ANY, {}), Place(source, f'{room}."{name}"')
        )
    return limits_by_name


def _section(kind: type[_Kind], data: Tables, defaults: Tables, place: Place) -> _Kind:
    """Limits of one section; missing keys come from `defaults` and from built-in defaults."""
    keys = KEYS[kind]
    loss, collar = (data.get(key, defaults.get(key)) for key in ("daily_loss", "collar_bps"))
    band = (
        {"fill_band_bps": min(2 * collar, WHOLE - 1), "quote_collar_bps": collar}
        if type(collar) is int
        else {}
    )
    gross = data.get("gross_value", defaults.get("gross_value"))
    derived = {"drawdown": loss, "legged_value": gross}
    derived = {key: value for key, value in derived.items() if value is not None}
    defaults = DEFAULTS | derived | band | defaults
    for key in data:
        if key not in keys:
            raise _unknown(key, tuple(keys), f"key {key} of [{place.section}]", place.source)
    missing = [key for key in keys if key not in data and key not in defaults]
    if missing:
        raise place.refusal(
            f"a limit {missing[0]}",
            "none",
            "set the limit: without it every order is refused",
        )
    values = {
        name: reader(
            data[key] if key in data else defaults[key], Place(place.source, place.section, key)
        )
        for key, (name, reader) in keys.items()
    }
    return kind(**values)


def value_of(kind: type[ScopeLimits], section: str, key: str, value: Any) -> tuple[str, Any]:
    """A limit's field name and value in internal units, from a key and value of the file.

    Raises
    ------
    LimitsError
        For a key that the section does not have, or a value that the key cannot.
    """
    place = Place("the change", section, key)
    if key not in KEYS[kind]:
        raise _unknown(key, tuple(KEYS[kind]), f"key {key} of [{section}]", place.source)
    name, reader = KEYS[kind][key]
    return name, reader(value, place)


def _unknown(name: str, allowed: tuple[str, ...], subject: str, source: str) -> LimitsError:
    """Error for an unknown key or section, with the nearest known name."""
    return LimitsError(
        f"one of {', '.join(allowed)}",
        f"{subject} in {source}",
        suggest_name(name, allowed, "take it out"),
    )
