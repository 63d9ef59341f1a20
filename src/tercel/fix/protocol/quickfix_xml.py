"""Data dictionaries in QuickFIX's XML format, in which venues publish theirs.

Such a file comes from outside: a document type, with which entities could be made to grow without bound or to read
files, is refused, and so is what is larger than any dictionary.
"""

import xml.etree.ElementTree as ET
from pathlib import Path
from types import MappingProxyType
from typing import Final

from tercel.core.errors import ConfigError
from tercel.fix.protocol.dictionary import FRAMING, Block, Dictionary, FieldRule, MessageRule

MOST_BYTES: Final = 16 << 20


def read_xml(path: Path) -> Dictionary:
    """Read a dictionary.

    Parameters
    ----------
    path : Path
        An XML file of the form `<fix><header/><messages/><trailer/><components/><fields/></fix>`.

    Raises
    ------
    ConfigError
        When it cannot be read, or is no such dictionary.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ConfigError(
                f"at most {MOST_BYTES} bytes",
                f"{path.stat().st_size} in {path}",
                "name the dictionary",
            )
        return _Reader(
            ET.fromstring(path.read_bytes(), ET.XMLParser(target=_Builder()))
        ).dictionary()
    except OSError as error:
        raise ConfigError(
            "a dictionary that can be read", f"{error}", "name another file"
        ) from None
    except (ET.ParseError, ValueError, KeyError, RecursionError) as error:
        raise ConfigError(
            "a data dictionary in QuickFIX's XML", f"{error} in {path}", "mend the file"
        ) from None


class _Builder(ET.TreeBuilder):
    def doctype(self, *_words: object) -> None:
        """Called before anything that a document type declares is read."""
        raise ValueError("a document type, which no dictionary needs")


class _Reader:
    def __init__(self, root: ET.Element) -> None:
        self._root = root
        self._components = {one.attrib["name"]: one for one in self._part("components")}
        listed = [one for one in self._part("fields") if one.tag == "field"]
        self._tags = {one.attrib["name"]: int(one.attrib["number"]) for one in listed}
        self._fields = {int(one.attrib["number"]): self._field(one) for one in listed}

    def _part(self, name: str) -> list[ET.Element]:
        return self._root.findall(f"{name}/*")

    @staticmethod
    def _field(element: ET.Element) -> FieldRule:
        values = frozenset(one.attrib["enum"] for one in element.iter("value"))
        return FieldRule(element.attrib["name"], element.attrib["type"].upper(), values)

    def dictionary(self) -> Dictionary:
        root = self._root.attrib
        messages = {
            one.attrib["msgtype"]: MessageRule(
                one.attrib["name"], one.get("msgcat") == "admin", self._block(list(one), ())
            )
            for one in self._part("messages")
        }
        kinds = self._fields.get(self._tags.get("MsgType", 35))
        return Dictionary(
            f"{root.get('type', 'FIX')}.{root['major']}.{root['minor']}",
            MappingProxyType(self._fields),
            self._block(self._part("header"), ()),
            self._block(self._part("trailer"), ()),
            MappingProxyType(messages),
            frozenset(kinds.values if kinds else ()) - messages.keys(),
        )

    def _block(self, elements: list[ET.Element], inside: tuple[str, ...]) -> Block:
        members: dict[int, Block | None] = {}
        required: list[int] = []
        for one in elements:
            name, needed = one.attrib["name"], one.get("required") == "Y"
            if one.tag == "component":
                if name in inside:
                    raise ValueError(f"component {name} is inside itself")
                part = self._block(list(self._components[name]), (*inside, name))
                members |= part.members
                required += part.required if needed else ()
                continue
            tag = self._tags[name]
            members[tag] = self._block(list(one), inside) if one.tag == "group" else None
            if needed and tag not in FRAMING:
                required.append(tag)
        return Block(MappingProxyType(members), tuple(required))
