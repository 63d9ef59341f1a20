"""Messages made up to fit a dictionary."""

from tercel.fix.protocol.dictionary import Block, Dictionary, FieldRule
from tercel.fix.protocol.message import Message

HEAD = ((49, "A"), (56, "B"), (34, "2"), (52, "20231114-22:13:20.123"))
_VALUES = {
    **dict.fromkeys(("INT", "LENGTH", "SEQNUM", "NUMINGROUP", "DAYOFMONTH"), "3"),
    **dict.fromkeys(("FLOAT", "QTY", "PRICE", "PRICEOFFSET", "AMT", "PERCENTAGE"), "1.5"),
    **dict.fromkeys(("UTCDATE", "UTCDATEONLY", "LOCALMKTDATE"), "20231114"),
    **{
        "MONTHYEAR": "202311",
        "UTCTIMESTAMP": "20231114-22:13:20",
        "UTCTIMEONLY": "22:13:20.123",
        "BOOLEAN": "Y",
    },
}


def value(rule: FieldRule) -> str:
    return min(rule.values) if rule.values else _VALUES.get(rule.kind, "X")


def filled(block: Block, dictionary: Dictionary, entries: int = 2) -> list[tuple[int, str]]:
    """Every member of a block once, every group with so many entries; data fields hold SOH."""
    fields: list[tuple[int, str]] = []
    lengths = {data: length for length, data in dictionary.data_fields.items()}
    for tag, inner in block.members.items():
        if inner is not None:
            fields += [
                (tag, str(entries)),
                *(field for _ in range(entries) for field in filled(inner, dictionary)),
            ]
        elif tag in lengths and lengths[tag] in block.members:
            fields += [(lengths[tag], "8"), (tag, "a\x0110=b\x01c")]
        elif tag not in dictionary.data_fields:
            fields.append((tag, value(dictionary.fields[tag])))
    return fields


def full(kind: str, dictionary: Dictionary, entries: int = 2) -> Message:
    """A message of a type with everything that it may have."""
    body = filled(dictionary.messages[kind].block, dictionary, entries)
    return Message(dictionary.version, [(35, kind), *HEAD, *body])
