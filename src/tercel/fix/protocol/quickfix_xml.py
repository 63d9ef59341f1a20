"""Data dictionaries read from QuickFIX's XML files.

    <fix major="4" minor="4"> <header>...</header> <trailer>...</trailer> <components>...</components>
      <messages> <message name="Heartbeat" msgtype="0" msgcat="admin"> <field name="TestReqID" required="N"/> ...
      <fields> <field number="54" name="Side" type="CHAR"> <value enum="1" description="BUY"/> ... </fix>

Such a file comes from outside: a document type, with which entities could be made to grow without bound or to read
files, is refused, and so is a file larger than any dictionary.
"""

import xml.etree.ElementTree as ET
from pathlib import Path
from types import MappingProxyType
from typing import Final

from tercel.core.errors import ConfigError
from tercel.fix.protocol.dictionary import FRAMING, Block, Dictionary, FieldRule, MessageRule

MOST_BYTES: Final = 16 << 20


def read_xml(path: Path) -> Dictionary:
    """Read a dictionary from QuickFIX's XML.

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
    def doctype(self, *_arguments: object) -> None:
        """Refuse a document type, before anything that it declares is read."""
        raise ValueError("a document type, which no dictionary needs")


class _Reader:
    def __init__(self, root: ET.Element) -> None:
        self._root = root
        self._components = {
            component.attrib["name"]: component for component in self._elements("components")
        }
        elements = [element for element in self._elements("fields") if element.tag == "field"]
        self._tags = {element.attrib["name"]: int(element.attrib["number"]) for element in elements}
        self._fields = {
            int(element.attrib["number"]): self._read_field(element) for element in elements
        }

    def _elements(self, name: str) -> list[ET.Element]:
        """Children of one of the file's top-level elements."""
        return self._root.findall(f"{name}/*")

    @staticmethod
    def _read_field(element: ET.Element) -> FieldRule:
        """Rule of a <field> element: name, type and allowed values."""
        return FieldRule(
            element.attrib["name"],
            element.attrib["type"].upper(),
            frozenset(value.attrib["enum"] for value in element.iter("value")),
        )

    def dictionary(self) -> Dictionary:
        """The dictionary of the whole file."""
        root = self._root.attrib
        messages = {
            element.attrib["msgtype"]: MessageRule(
                element.attrib["name"],
                element.get("msgcat") == "admin",
                self._read_block(list(element), ()),
            )
            for element in self._elements("messages")
        }
        kinds = self._fields.get(self._tags.get("MsgType", 35))
        return Dictionary(
            f"{root.get('type', 'FIX')}.{root['major']}.{root['minor']}",
            MappingProxyType(self._fields),
            self._read_block(self._elements("header"), ()),
            self._read_block(self._elements("trailer"), ()),
            MappingProxyType(messages),
            frozenset(kinds.values if kinds else ()) - messages.keys(),
        )

    def _read_block(self, elements: list[ET.Element], inside: tuple[str, ...]) -> Block:
        """Block of fields, groups and components; `inside` are the components that it is part of."""
        members: dict[int, Block | None] = {}
        required: list[int] = []
        for element in elements:
            name = element.attrib["name"]
            needed = element.get("required") == "Y"
            if element.tag == "component":
                if name in inside:
                    raise ValueError(f"component {name} is inside itself")
                part = self._read_block(list(self._components[name]), (*inside, name))
                members |= part.members
                required += part.required if needed else ()
                continue
            tag = self._tags[name]
            members[tag] = (
                self._read_block(list(element), inside) if element.tag == "group" else None
            )
            if needed and tag not in FRAMING:
                required.append(tag)
        return Block(MappingProxyType(members), tuple(required))
