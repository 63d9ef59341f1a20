"""Changes of limits while a desk runs: apply them, find what they loosen, hash the result.

    with_changes(limits, {"agents.twap.order_lots": "100"})     # as a limit file would have it
    find_loosened(limits, with_changes(...))                         # [] or what allows more: a second person must agree
    hash_of(limits)                                        # journaled with every order

A limit is tighter when nothing passes it that did not pass before: each says so where it is declared (`limit_sets`).
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import MISSING, fields, replace
from typing import Any, Final, TypeVar

from tercel.core.bounded_parsing import parse_tables
from tercel.core.errors import LimitsError, TercelError, refuse_if, suggest_name
from tercel.core.serialization import to_jsonable
from tercel.desk.limits import limit_sets
from tercel.desk.limits.file import unknown_name
from tercel.desk.limits.units import LimitKey

NEW: Final = ".*"
"""Ends the path of the limits of a name that had none (`limits.find_loosened`)."""
HASH: Final = 12
"""Hexadecimal digits of a hash of limits."""
ROOMS: Final = ("instruments", "agents")
"""Sections with limits by name."""
_Kind = TypeVar("_Kind", bound=limit_sets.ScopeLimits)


def with_changes(
    limits: limit_sets.Limits, changes: Mapping[str, bool | int | float | str]
) -> limit_sets.Limits:
    """Copy of limits with single values replaced, by path such as `agents.NAME.KEY`, in a limit file's units and TOML text.

    Parameters
    ----------
    limits : Limits
    changes : mapping of str to bool, int, float or str
        ``desk.KEY``, ``agents.NAME.KEY`` or ``instruments.NAME.KEY`` to a value, as in a limit file. A name
        without a section of its own gets one, which has what `"*"` has now; a change of `"*"` is for names without.

    Raises
    ------
    LimitsError
        For a section, a key or a value that a limit file would not have either, and for a name without any limits.

    >>> from tercel.desk.limits.file import read_packaged
    >>> after = with_changes(read_packaged(), {"agents.twap.order_lots": "100"})
    >>> after.of_agent("twap").order_lots, after.of_agent("pov").order_lots
    (100, 5000)
    """
    if not isinstance(changes, Mapping) or not changes:
        raise LimitsError(
            "limits to change", repr(changes), "name some, such as agents.twap.order_lots=100"
        )
    for path, text in changes.items():
        room, _, rest = path.partition(".")
        name, _, key = rest.rpartition(".")
        value = _parse_value(path, text)
        if room == "desk" and key and not name:
            limits = replace(limits, desk=_with_value(limits.desk, room, key, value))
        elif room in ROOMS and name:
            sections: Mapping[str, Any] = getattr(limits, room)
            scope = sections.get(name, sections.get(limit_sets.ANY))
            if scope is None:
                raise LimitsError(
                    f"a name with limits in [{room}]",
                    name,
                    suggest_name(name, tuple(sections), "name another"),
                )
            section: Any = {**sections, name: _with_value(scope, f'{room}."{name}"', key, value)}
            limits = replace(limits, **{room: section})
        else:
            raise LimitsError(
                "the place of a limit",
                repr(path),
                "write desk.KEY, agents.NAME.KEY or instruments.NAME.KEY",
            )
    return replace(limits, source="a change while the desk runs", sha256="")


def check_names(
    paths: Iterable[str],
    known_names: Mapping[str, Collection[str]],
    error: type[TercelError] = LimitsError,
) -> None:
    """Raise `error` if a path names an agent or instrument that its room in `known_names` lacks; other rooms pass.

    Parameters
    ----------
    paths : iterable of str
        As :func:`with_changes` has taken them.
    known_names : mapping of str to collection of str
        Names by room: agents, and instruments if these are known.

    Raises
    ------
    LimitsError
        Or another `error`.

    >>> check_names(["agents.twap.order_lots", "agents.*.messages"], {"agents": ["twap"]})
    """
    for path in paths:
        room, _, rest = path.partition(".")
        name = rest.rpartition(".")[0]
        if (
            room != "desk"
            and room in known_names
            and name not in (limit_sets.ANY, *known_names[room])
        ):
            names = sorted(known_names[room])
            raise error(
                f"{room} of the desk: {', '.join(names)}",
                f"{name!r} in {path}; nothing was changed",
                suggest_name(name, names, f'or "{limit_sets.ANY}" for all'),
            )


def _parse_value(path: str, text: Any) -> Any:
    """Value of a limit from its TOML text."""
    try:
        return parse_tables(
            f"value = {str(text).lower() if isinstance(text, bool) else text}", decimals=True
        )["value"]
    except (ValueError, ArithmeticError) as error:
        raise LimitsError(
            "a value as in a limit file", f"{text!r:.80} of {path} ({error})", "write 100"
        ) from None


def _with_value(scope: _Kind, section: str, key: str, value: Any) -> _Kind:
    """A copy of a scope's limits with one key changed, given in the limit file's units."""
    place = LimitKey("the change", section, key)
    if (declared := limit_sets.FIELDS[type(scope)].get(key)) is None:
        keys = tuple(limit_sets.FIELDS[type(scope)])
        raise unknown_name(key, keys, f"key {key} of [{section}]", place.source)
    return replace(scope, **{declared.name: declared.unit.read(value, place)})


def find_loosened(before: limit_sets.Limits, after: limit_sets.Limits) -> list[str]:
    """Paths of the limits of `after` that allow something `before` does not; [] where all are as tight.

    >>> from tercel.desk.limits.file import read_packaged
    >>> limits = read_packaged()
    >>> find_loosened(limits, with_changes(limits, {"desk.messages": "2001", "desk.window_ms": "2000"}))
    ['desk.messages']
    """
    paths = [f"desk.{name}" for name in _looser(before.desk, after.desk)]
    for room in ROOMS:
        for name, (old, new) in _scopes_by_name(before, after, room).items():
            if new is not None:
                looser = ["*"] if old is None else _looser(old, new)
                paths += [f"{room}.{name}.{key}" for key in looser]
    return paths


def _scopes_by_name(
    before: limit_sets.Limits, after: limit_sets.Limits, room: str
) -> dict[str, tuple[Any, Any]]:
    """Limits before and after of every name in a room, of a name without a section those of `"*"`; None where it has none."""
    old = getattr(before, room)
    new = getattr(after, room)
    return {
        name: (old.get(name, old.get(limit_sets.ANY)), new.get(name, new.get(limit_sets.ANY)))
        for name in (*old, *new)
    }


def values_at(limits: limit_sets.Limits, paths: Iterable[str]) -> dict[str, Any]:
    """Values of limits by path, in internal units; a name without a section has what `"*"` has.

    Paths as `with_changes` has taken them.

    >>> from tercel.desk.limits.file import read_packaged
    >>> values_at(read_packaged(), ["agents.twap.order_lots", "desk.window_ms"])
    {'agents.twap.order_lots': 5000, 'desk.window_ms': 1000000000}
    """
    values = {}
    for path in paths:
        room, _, rest = path.partition(".")
        name, _, key = rest.rpartition(".")
        sections = {"": limits.desk} if room == "desk" else getattr(limits, room)
        scope = sections[name if name in sections else limit_sets.ANY]
        values[path] = to_jsonable(getattr(scope, limit_sets.FIELDS[type(scope)][key].name))
    return values


def _looser(before: limit_sets.ScopeLimits, after: limit_sets.ScopeLimits) -> list[str]:
    """Keys of the limits of `after` that allow something `before` does not."""
    return [
        key
        for key, each in limit_sets.FIELDS[type(before)].items()
        if not each.allows_no_more(getattr(after, each.name), getattr(before, each.name))
    ]


def tightest(in_force: limit_sets.Limits, given: limit_sets.Limits) -> limit_sets.Limits:
    """The tighter of two sets of limits, value by value; of hours neither within the other those `in_force`."""
    rooms: dict[str, Any] = {
        room: {
            name: _tighter(old, new) if old and new else old or new
            for name, (old, new) in _scopes_by_name(in_force, given, room).items()
        }
        for room in ROOMS
    }
    return replace(given, desk=_tighter(in_force.desk, given.desk), **rooms)


def _tighter(in_force: _Kind, given: _Kind) -> _Kind:
    """The tighter of two scopes' limits, value by value."""
    tighter = {
        each.name: getattr(given, each.name)
        for each in limit_sets.FIELDS[type(in_force)].values()
        if each.allows_no_more(getattr(given, each.name), getattr(in_force, each.name))
    }
    return replace(in_force, **tighter)


def check_person_set(named: str, paths: Iterable[str], reason: str) -> None:
    """Refuse limits that no person set: no limits file is named, and not both the keys daily_loss and gross_value of [desk] are.

    A limits file has to be named, or the desk's daily loss and gross value.

    Parameters
    ----------
    named : str
        The limits file, "" if none.
    paths : iterable of str
        Single limits that replace the file's.
    reason : str
        Why they have to be set.

    Raises
    ------
    ConfigError
    """
    refuse_if(
        not named and not {"desk.daily_loss", "desk.gross_value"} <= set(paths),
        "limits in currency units that a person set",
        f"the packaged ones ({reason})",
        'write them: [limits] file = "limits.toml" in a desk\'s file, limits = "limits.toml" in a gate\'s; or '
        '"desk.daily_loss" and "desk.gross_value" in [limits.changed], in a gate\'s in `changed`',
    )


def as_json(limits: limit_sets.Limits) -> dict[str, Any]:
    """Limits as JSON values: ``desk``, ``instruments``, ``agents``; money and times in integers."""
    rooms = {
        room: {name: _set_limits(scope) for name, scope in getattr(limits, room).items()}
        for room in ROOMS
    }
    return dict(to_jsonable({"desk": _set_limits(limits.desk), **rooms}))


def _set_limits(scope: limit_sets.ScopeLimits) -> dict[str, Any]:
    """Values of a scope's limits by name, without those that are unset."""
    return {
        each.name: getattr(scope, each.name)
        for each in limit_sets.FIELDS[type(scope)].values()
        if not each.is_unset(getattr(scope, each.name))
    }


def from_json(body: Mapping[str, Any], source: str = "the journal") -> limit_sets.Limits:
    """Limits from the JSON of :func:`as_json`.

    Raises
    ------
    LimitsError
        For anything else, among it limits that this version does not know.
    """
    try:
        return limit_sets.Limits(
            _scope_from_json(limit_sets.DeskLimits, body["desk"], source),
            {
                name: _scope_from_json(limit_sets.InstrumentLimits, each, source)
                for name, each in body["instruments"].items()
            },
            {
                name: _scope_from_json(limit_sets.AgentLimits, each, source)
                for name, each in body["agents"].items()
            },
            source,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise LimitsError(
            "limits as a journal has them",
            f"{error} in {source}",
            "see what else is damaged (`tercel trade verify`), and continue from a copy of the desk's folder",
        ) from error


def _scope_from_json(kind: type[_Kind], values_json: Mapping[str, Any], source: str) -> _Kind:
    """Limits of one scope from JSON; refused if a key is unknown or one without a default is missing.

    A limit that older versions lacked is as tight as can be.
    """
    needed = {each.name for each in fields(kind) if each.default is MISSING}
    if unknown := sorted(
        (needed - values_json.keys()) | (values_json.keys() - {each.name for each in fields(kind)})
    ):
        raise LimitsError(
            "limits that this version knows",
            f"{', '.join(unknown)} in {source}",
            "open it with the version of tercel that wrote it: no limit of it is left out",
        )
    values: dict[str, Any] = {
        name: tuple(each) if isinstance(each, list) else each for name, each in values_json.items()
    }
    return kind(**values)


def hash_of(limits: limit_sets.Limits) -> str:
    """Identity of limits: the shortened SHA-256 of their canonical JSON; the file's path does not matter."""
    return hash_of_json(as_json(limits))


def hash_of_json(body: Mapping[str, Any]) -> str:
    """:func:`hash_of` of limits in the JSON form of :func:`as_json`."""
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:HASH]


def describe_changes(
    before: limit_sets.Limits, after: limit_sets.Limits, paths: Sequence[str]
) -> list[str]:
    """Texts "PATH (OLD to NEW)", in internal units, of the limits at `paths`; "PATH" for a new name (`agents.NAME.*`)."""
    value_pairs = {
        path: (values_at(limits, [path])[path] for limits in (before, after))
        for path in paths
        if path[-2:] != NEW
    }
    return [
        f"{path} ({' to '.join(map(str, value_pairs[path]))})" if path in value_pairs else path
        for path in paths
    ]
