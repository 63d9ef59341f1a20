"""Data dictionaries of FIX: fields, their values, and the messages that have them.

FIX 4.2 and 4.4 are shipped (`fix42.toml`, `fix44.toml`, whose heads explain their form). A venue's own dictionary may come
as QuickFIX's XML (:mod:`tercel.fix.protocol.quickfix_xml`).
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final

from tercel.core.bounded_parsing import Tables, parse_tables
from tercel.core.errors import ConfigError, UnknownNameError
from tercel.fix.protocol.faults import INCORRECT_FORMAT, INCORRECT_VALUE, NO_VALUE
from tercel.fix.protocol.message import Message

FRAMING: Final = frozenset({8, 9, 10})
"""Fields that the codec makes and checks; no message holds them."""
_DAY: Final = r"[0-9]{4}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
_CLOCK: Final = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]{1,9})?"
_INTEGER = r"-?[0-9]{1,19}"
_DECIMAL = r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_FORMS: Final = {
    **dict.fromkeys(("INT", "LENGTH", "SEQNUM", "NUMINGROUP", "DAYOFMONTH"), re.compile(_INTEGER)),
    **dict.fromkeys(
        ("FLOAT", "QTY", "PRICE", "PRICEOFFSET", "AMT", "PERCENTAGE"), re.compile(_DECIMAL)
    ),
    **dict.fromkeys(("UTCDATE", "UTCDATEONLY", "LOCALMKTDATE"), re.compile(_DAY)),
    "MONTHYEAR": re.compile(rf"[0-9]{{4}}(?:0[1-9]|1[0-2])(?:w[1-5])?|{_DAY}"),
    "UTCTIMESTAMP": re.compile(f"{_DAY}-{_CLOCK}"),
    "UTCTIMEONLY": re.compile(_CLOCK),
    "CHAR": re.compile(r"[^\x01]"),
    "BOOLEAN": re.compile(r"[YN]"),
}
_MULTIPLE: Final = ("MULTIPLEVALUESTRING", "MULTIPLECHARVALUE", "MULTIPLESTRINGVALUE")


_SHIPPED: Final = {"FIX.4.2": "fix42.toml", "FIX.4.4": "fix44.toml"}
_TOKEN: Final = re.compile(r"(@?\w+)(!?)(\(?)|(\))(!?)")


@dataclass(frozen=True)
class FieldRule:
    """Type and allowed values of a field.

    Parameters
    ----------
    name : str
    kind : str
        Type of the standard, in capitals; one that is not known allows anything.
    values : collection of str
        The values that it may have; empty: any.
    """

    name: str
    kind: str
    values: Collection[str] = frozenset()

    def fault(self, value: str) -> int:
        """SessionRejectReason of a value, 0 if valid.

        >>> rule = FieldRule("Side", "CHAR", {"1", "2"})
        >>> rule.fault("1"), rule.fault("9"), rule.fault("buy"), rule.fault("")
        (0, 5, 6, 4)
        """
        if not value:
            return NO_VALUE
        if value in self.values:
            return 0
        form = _FORMS.get(self.kind)
        if form is not None and form.fullmatch(value) is None:
            return INCORRECT_FORMAT
        known = not self.values or (
            self.kind in _MULTIPLE and all(item in self.values for item in value.split(" "))
        )
        return 0 if known else INCORRECT_VALUE


@dataclass(frozen=True)
class Block:
    """Members of a message, a header, or a repeating group's entry.

    Parameters
    ----------
    members : mapping of int to Block or None
        A tag's entries where it counts a repeating group, else None. The first member opens an entry.
    required : tuple of int
    """

    members: Mapping[int, "Block | None"]
    required: tuple[int, ...] = ()

    @cached_property
    def first(self) -> int:
        """Delimiter: the member that opens a group entry."""
        return next(iter(self.members), 0)

    @cached_property
    def tags(self) -> tuple[int, ...]:
        """All tags, nested groups included; the delimiter first (`Message.entries`)."""
        inner = [tag for block in self.members.values() if block for tag in block.tags]
        return tuple(dict.fromkeys([*self.members, *inner]))


@dataclass(frozen=True)
class MessageRule:
    """Members of a message type.

    Parameters
    ----------
    name : str
    admin : bool
        Whether it is the session's own.
    block : Block
    """

    name: str
    admin: bool
    block: Block


@dataclass(frozen=True)
class Dictionary:
    """Rules of a FIX version, or of a venue.

    Parameters
    ----------
    version : str
        BeginString.
    fields : mapping of int to FieldRule
    header, trailer : Block
    messages : mapping of str to MessageRule
        By MsgType.
    other_types : collection of str
        Message types that exist and are not described.
    last_tag : int
        Tags up to it exist, whether described or not.

    >>> standard("FIX.4.4").messages["D"].name, standard("FIX.4.2").fields[32].name
    ('NewOrderSingle', 'LastShares')
    """

    version: str
    fields: Mapping[int, FieldRule]
    header: Block
    trailer: Block
    messages: Mapping[str, MessageRule]
    other_types: Collection[str] = frozenset()
    last_tag: int = 0

    @cached_property
    def data_fields(self) -> Mapping[int, int]:
        """Length fields with the data field each counts, by the standard's naming."""
        by_name = {rule.name: tag for tag, rule in self.fields.items()}
        pairs = {}
        for tag, rule in self.fields.items():
            length = by_name.get(f"{rule.name}Len") or by_name.get(f"{rule.name}Length")
            if length and rule.kind in ("DATA", "XMLDATA"):
                pairs[length] = tag
        return MappingProxyType(pairs)

    def entries(self, message: Message, counter: int) -> list[Message]:
        """Entries of a message's repeating group that field `counter` counts; [] if messages of its type have none.

        >>> book = Message("FIX.4.4", [(35, "W"), (55, "XYZ"), (268, "1"), (269, "0"), (270, "9")])
        >>> [one.get(270) for one in standard("FIX.4.4").entries(book, 268)]
        ['9']
        """
        rule = self.messages.get(message.kind)
        block = rule.block.members.get(counter) if rule else None
        return message.entries(counter, block.tags) if block else []


@lru_cache
def standard(version: str) -> Dictionary:
    """The shipped dictionary of a version: "FIX.4.2" or "FIX.4.4".

    Raises
    ------
    UnknownNameError
        For another version.
    """
    if version not in _SHIPPED:
        raise UnknownNameError(
            f"one of {', '.join(_SHIPPED)}", version, "name one of them, or load a dictionary"
        )
    return read_toml(
        (files(__package__) / _SHIPPED[version]).read_text(encoding="utf-8"), _SHIPPED[version]
    )


def read_toml(text: str, name: str) -> Dictionary:
    """Read a dictionary in this project's own TOML form.

    Parameters
    ----------
    text : str
    name : str
        What it is called in errors.

    Raises
    ------
    ConfigError
        When something in it is not as it must be.

    >>> own = read_toml('''
    ... base = "FIX.4.4"
    ... fields = "20001 ExactNs int"
    ... [components]
    ... Entry = "+ 20001"
    ... [messages]
    ... U2 = "SteppedTo app 20001!"
    ... ''', "own.toml")
    >>> own.messages["U2"].block.required, 20001 in own.messages["W"].block.members[268].members
    ((20001,), True)
    """
    try:
        tables = _apply_base(parse_tables(text))
        fields = dict(_parse_field(line) for line in tables["fields"].strip().split("\n"))
        components: Mapping[str, str] = tables.get("components", {})
        messages = {}
        for kind, line in tables["messages"].items():
            title, category, body = f"{line} ".split(" ", 2)
            messages[kind] = MessageRule(title, category == "admin", parse_block(body, components))
        dictionary = Dictionary(
            tables["version"],
            fields,
            parse_block(tables["header"], components),
            parse_block(tables["trailer"], components),
            messages,
            frozenset(tables.get("types", "").split()),
            tables.get("last_tag", 0),
        )
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise ConfigError(
            "a dictionary in the form of fix44.toml", f"{error!r} in {name}", "mend the file"
        ) from None
    used = {
        tag
        for block in (
            dictionary.header,
            dictionary.trailer,
            *(rule.block for rule in messages.values()),
        )
        for tag in block.tags
    }
    if used - fields.keys():
        raise ConfigError(
            "members that are among the fields",
            f"{sorted(used - fields.keys())} in {name}",
            "add them",
        )
    return dictionary


def _apply_base(tables: Tables) -> Tables:
    """Tables of a dictionary upon those of its base; values that begin with + are appended to the base's."""
    if "base" not in tables:
        return tables
    base = parse_tables((files(__package__) / _SHIPPED[tables["base"]]).read_text(encoding="utf-8"))

    def merge(old: Tables, new: Tables) -> Tables:
        """One table upon another; texts that begin with + are appended to the old ones."""
        plus = {
            key: f"{old.get(key, '')} {text[1:]}"
            for key, text in new.items()
            if str(text).startswith("+")
        }
        return {**old, **new, **plus}

    parts = {
        part: merge(base.get(part, {}), tables.get(part, {})) for part in ("components", "messages")
    }
    return {
        **merge(base, tables),
        **parts,
        "fields": base["fields"] + tables.get("fields", "").lstrip("\n"),
    }


def _parse_field(line: str) -> tuple[int, FieldRule]:
    """Tag and rule of a field, from its line `tag name type values...`."""
    tag, name, kind, *values = line.split()
    return int(tag), FieldRule(name, kind.upper(), frozenset(values))


def parse_block(text: str, components: Mapping[str, str]) -> Block:
    """A block from members in the TOML form.

    >>> parse_block("11! 453(448! 447) @Text", {"Text": "58 354"}).members.keys()
    dict_keys([11, 453, 58, 354])
    """
    return _parse_members(_TOKEN.finditer(text), components)[0]


def _parse_members(
    tokens: Iterator["re.Match[str]"], components: Mapping[str, str]
) -> tuple[Block, str]:
    """Members up to the end or a closing bracket, and what follows the bracket ("!" or "")."""
    members: dict[int, Block | None] = {}
    required: list[int] = []
    for token in tokens:
        name, needed, opens, closes, last = token.groups()
        if closes:
            return Block(MappingProxyType(members), tuple(required)), last
        if name.startswith("@"):
            part = parse_block(components[name[1:]], components)
            members |= part.members
            required += part.required if needed else ()
            continue
        tag = int(name)
        members[tag] = None
        if opens:
            members[tag], needed = _parse_members(tokens, components)
        if needed:
            required.append(tag)
    return Block(
        MappingProxyType(members),
        tuple(required_tag for required_tag in required if required_tag not in FRAMING),
    ), ""
