"""Changes of limits while a desk runs: apply them, find what they loosen, hash the result.

    changed(limits, {"agents.twap.order_lots": "100"})     # as a limit file would have it
    loosened(limits, changed(...))                         # [] or what allows more: a second person must agree
    hash_of(limits)                                        # journaled with every order

A limit is tighter when nothing passes it that did not pass before. Fewer is tighter, but for what `_LONGER` names.
"""

import hashlib
import json
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import MISSING, fields, replace
from typing import Any, Final, TypeVar

from tercel.core.errors import ConfigError, LimitsError, TercelError, offer
from tercel.core.serialization import parse_tables, to_jsonable
from tercel.desk.limits import file

NEW: Final = ".*"
"""Ends the path of the limits of a name that had none (`limits.loosened`)."""
HASH: Final = 12
"""Hexadecimal digits of a hash of limits."""
# Limits that are tighter when they are longer, or when they require a person.
_LONGER: Final = ("window_ns", "duplicate_ns", "executions_ns", "person_accepts")
_ROOMS: Final[dict[str, type[file.ScopeLimits]]] = {
    "instruments": file.InstrumentLimits,
    "agents": file.AgentLimits,
}
_Kind = TypeVar("_Kind", bound=file.ScopeLimits)


def changed(limits: file.Limits, changes: Mapping[str, bool | int | float | str]) -> file.Limits:
    """Limits with some values replaced.

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

    >>> from tercel.desk.limits.file import default_file, read
    >>> after = changed(read(default_file()), {"agents.twap.order_lots": "100"})
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
        value = _read(path, text)
        if room == "desk" and key and not name:
            limits = replace(limits, desk=_with(limits.desk, room, key, value))
        elif room in _ROOMS and name:
            sections: Mapping[str, Any] = getattr(limits, room)
            scope = sections.get(name, sections.get(file.ANY))
            if scope is None:
                raise LimitsError(
                    f"a name with limits in [{room}]",
                    name,
                    offer(name, tuple(sections), "name another"),
                )
            section: Any = {**sections, name: _with(scope, f'{room}."{name}"', key, value)}
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
    here: Mapping[str, Collection[str]],
    error: type[TercelError] = LimitsError,
) -> None:
    """Refuse limits of an agent or an instrument that is not there: they would change nothing, so a name is misspelt.

    Parameters
    ----------
    paths : iterable of str
        As :func:`changed` has taken them.
    here : mapping of str to collection of str
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
        if room != "desk" and room in here and name not in (file.ANY, *here[room]):
            known = sorted(here[room])
            raise error(
                f"{room} of the desk: {', '.join(known)}",
                f"{name!r} in {path}; nothing was changed",
                offer(name, known, f'or "{file.ANY}" for all'),
            )


def _read(path: str, text: Any) -> Any:
    try:
        return parse_tables(
            f"value = {str(text).lower() if isinstance(text, bool) else text}", decimals=True
        )["value"]
    except (ValueError, ArithmeticError) as error:
        raise LimitsError(
            "a value as in a limit file", f"{text!r:.80} of {path} ({error})", "write 100"
        ) from None


def _with(scope: _Kind, section: str, key: str, value: Any) -> _Kind:
    name, understood = file.value_of(type(scope), section, key, value)
    return replace(scope, **{name: understood})


def loosened(before: file.Limits, after: file.Limits) -> list[str]:
    """Paths of the limits of `after` that allow something `before` does not; [] where all are as tight.

    >>> from tercel.desk.limits.file import default_file, read
    >>> limits = read(default_file())
    >>> loosened(limits, changed(limits, {"desk.messages": "2001", "desk.window_ms": "2000"}))
    ['desk.messages']
    """
    found = [f"desk.{name}" for name in _looser(before.desk, after.desk)]
    for room in _ROOMS:
        old, new = getattr(before, room), getattr(after, room)
        for name in dict.fromkeys((*old, *new)):
            then, now = old.get(name, old.get(file.ANY)), new.get(name, new.get(file.ANY))
            if now is not None:
                found += [
                    f"{room}.{name}.{key}"
                    for key in (["*"] if then is None else _looser(then, now))
                ]
    return found


def values_at(limits: file.Limits, paths: Iterable[str]) -> dict[str, Any]:
    """Values of limits by path, in internal units; a name without a section has what `"*"` has. Paths as `changed` has
    taken them.

    >>> from tercel.desk.limits.file import default_file, read
    >>> values_at(read(default_file()), ["agents.twap.order_lots", "desk.window_ms"])
    {'agents.twap.order_lots': 5000, 'desk.window_ms': 1000000000}
    """
    found = {}
    for path in paths:
        room, _, rest = path.partition(".")
        name, _, key = rest.rpartition(".")
        sections = {"": limits.desk} if room == "desk" else getattr(limits, room)
        scope = to_jsonable(sections[name if name in sections else file.ANY])
        found[path] = {file.key_of(field): value for field, value in scope.items()}[key]
    return found


def _looser(before: file.ScopeLimits, after: file.ScopeLimits) -> list[str]:
    return [
        file.key_of(each.name)
        for each in fields(before)
        if not _as_tight(each.name, getattr(after, each.name), getattr(before, each.name))
    ]


def _as_tight(name: str, value: Any, than: Any) -> bool:
    """Whether a limit's value allows nothing that another value does not."""
    if name == "hours":
        return within(value, than)
    if name == "executions" and 0 in (value, than):
        return bool(than == 0)
    return bool(value >= than if name in _LONGER else value <= than)


def within(hours: file.Hours, of: file.Hours) -> bool:
    """Whether trading hours lie within others, over midnight or not.

    >>> within((8, 9), (7, 9)), within((7, 9), (8, 9)), within(None, (8, 9)), within((8, 9), None)
    (True, False, False, True)
    """
    if of is None or hours is None:
        return of is None
    from_ns = (hours[0] - of[0]) % file.DAY_NS
    return from_ns + (hours[1] - hours[0]) % file.DAY_NS <= (of[1] - of[0]) % file.DAY_NS


def tightest(in_force: file.Limits, given: file.Limits) -> file.Limits:
    """The tighter of two sets of limits, value by value; overlapping hours take those in force."""
    rooms: dict[str, Any] = {}
    for room in _ROOMS:
        old, new = getattr(in_force, room), getattr(given, room)
        pairs = {
            name: (old.get(name, old.get(file.ANY)), new.get(name, new.get(file.ANY)))
            for name in (*old, *new)
        }
        rooms[room] = {
            name: _tighter(then, now) if then and now else then or now
            for name, (then, now) in pairs.items()
        }
    return replace(given, desk=_tighter(in_force.desk, given.desk), **rooms)


def _tighter(in_force: _Kind, given: _Kind) -> _Kind:
    tighter = {
        each.name: getattr(given, each.name)
        for each in fields(in_force)
        if _as_tight(each.name, getattr(given, each.name), getattr(in_force, each.name))
    }
    return replace(in_force, **tighter)


def check_own(named: str, paths: Iterable[str], why: str) -> None:
    """Refuse limits that no person set: neither a file, nor the desk's loss and gross value instead of the packaged.

    Parameters
    ----------
    named : str
        The limits file, "" if none.
    paths : iterable of str
        Single limits that replace the file's.
    why : str
        Why they have to be set.

    Raises
    ------
    ConfigError
    """
    if not named and not {"desk.daily_loss", "desk.gross_value"} <= set(paths):
        raise ConfigError(
            "limits in currency units that a person set",
            f"the packaged ones ({why})",
            'write them: [limits] file = "limits.toml" in a desk\'s file, limits = "limits.toml" in a gate\'s; or '
            '"desk.daily_loss" and "desk.gross_value" in [limits.changed], in a gate\'s in `changed`',
        )


def as_json(limits: file.Limits) -> dict[str, Any]:
    """Limits as JSON values, whole: ``desk``, ``instruments``, ``agents``; money and times in integers."""
    rooms = {room: getattr(limits, room) for room in _ROOMS}
    return dict(to_jsonable({"desk": limits.desk, **rooms}))


def from_json(body: Mapping[str, Any], source: str = "the journal") -> file.Limits:
    """Limits from the JSON of :func:`as_json`.

    Raises
    ------
    LimitsError
        For anything else, among it limits that this version does not know.
    """
    try:
        return file.Limits(
            _scope(file.DeskLimits, body["desk"], source),
            {
                name: _scope(file.InstrumentLimits, each, source)
                for name, each in body["instruments"].items()
            },
            {name: _scope(file.AgentLimits, each, source) for name, each in body["agents"].items()},
            source,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise LimitsError(
            "limits as a journal has them",
            f"{error} in {source}",
            "see what else is damaged (`tercel trade verify`), and continue from a copy of the desk's folder",
        ) from error


def _scope(kind: type[_Kind], written: Mapping[str, Any], source: str) -> _Kind:
    """Limits of one scope, those that this version knows and no others; what an older one did not know is as tight as can be."""
    needed = {each.name for each in fields(kind) if each.default is MISSING}
    if unknown := sorted(
        (needed - written.keys()) | (written.keys() - {each.name for each in fields(kind)})
    ):
        raise LimitsError(
            "limits that this version knows",
            f"{', '.join(unknown)} in {source}",
            "open it with the version of tercel that wrote it: no limit of it is left out",
        )
    values: dict[str, Any] = {
        name: tuple(each) if isinstance(each, list) else each for name, each in written.items()
    }
    return kind(**values)


def hash_of(limits: file.Limits) -> str:
    """Identity of limits: the shortened SHA-256 of their canonical JSON; the file's path does not matter."""
    return hash_of_json(as_json(limits))


def hash_of_json(body: Mapping[str, Any]) -> str:
    """:func:`hash_of` of limits in the JSON form of :func:`as_json`."""
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:HASH]


def with_values(before: file.Limits, after: file.Limits, paths: Sequence[str]) -> list[str]:
    """Limits with both their values, for people; a name that had none before (`agents.NAME.*`) by itself."""
    both = {
        path: (values_at(limits, [path])[path] for limits in (before, after))
        for path in paths
        if path[-2:] != NEW
    }
    return [
        f"{path} ({' to '.join(map(str, both[path]))})" if path in both else path for path in paths
    ]


# -- two persons ------------------------------------------------------------------------------------------------------
_BLANK: Final = frozenset(
    map(
        chr,
        (
            0x34F,
            0x115F,
            0x1160,
            *range(0x180B, 0x1810),
            0x2800,
            0x3164,
            *range(0xFE00, 0xFE10),
            0xFFA0,
        ),
    )
)


def blank(letter: str) -> bool:
    """Whether a letter shows nothing: spaces, what does not print, and fillers, which pass for printed ones.

    >>> blank(" "), blank("\u3164"), blank("a")
    (True, True, False)
    """
    return letter.isspace() or not letter.isprintable() or letter in _BLANK


def same_person(one: str, other: str) -> bool:
    """Whether two names are one person's: lookalike letters and invisible characters folded, how it was proved aside.

    >>> same_person("Ann ", "ann"), same_person("ann", "\uff21nn\u200b"), same_person("ann", "bob")
    (True, True, False)
    >>> same_person("ann", "ann (password)")
    True
    """
    return _spelt(one) == _spelt(other)


def _spelt(name: str) -> str:
    plain = unicodedata.normalize("NFKC", name.partition(" (")[0]).casefold()
    return "".join(letter for letter in plain if not blank(letter))
