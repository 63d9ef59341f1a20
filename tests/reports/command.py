"""The command line in this process: what it found, how it refused, and the options that a remedy names."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from tercel.cli import app

OPTION = re.compile(r"(--[a-z][a-z-]*)[ =]((?:\"[^\"]*\"|'[^']*'|[^\s\"'])+)")
OF_SHELLS = re.compile(r"[()&|;<>*?$`\\!#\s]")
"""Letters that a shell does not hand on as they are."""


def tercel(*words: object) -> Result:
    """What a command did, errors of ours told as a person is told them."""
    return CliRunner().invoke(app, [str(word) for word in words])


def done(*words: object) -> dict[str, Any]:
    """The object that a command found; `said` has what it told on stderr."""
    result = tercel(*words, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found | {"said": " ".join(result.stderr.split())}


def refused(*words: object) -> dict[str, str]:
    """The parts of a refusal: exit code 2, no traceback, and none that tells a person to report a defect."""
    result = tercel(*words, "--json")
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    error: dict[str, str] = json.loads(result.stdout)["error"]
    assert "defect" not in error["remedy"], error
    return error


def options(remedy: str) -> list[tuple[str, str]]:
    """Options that a remedy names, with their values and what else it says they may be: what a person would copy.

    >>> options("say it: --column decimal=,, or decimal=.; or --tz UTC.")
    [('--column', 'decimal=,'), ('--column', 'decimal=.'), ('--tz', 'UTC')]
    >>> options("--column date_order=dmy (mdy, ymd); or --column 'fee=Fee (EUR)'")[1:]
    [('--column', 'date_order=mdy'), ('--column', 'date_order=ymd'), ('--column', 'fee=Fee (EUR)')]
    """
    found = []
    for match in OPTION.finditer(remedy):
        name, value = match[1], _bare(match[2])
        found.append((name, value))
        key, equals, _ = value.partition("=")
        rest = remedy[match.end() :]
        if equals and (others := re.match(r" ?\((?:or )?([\w, ]+)\)", rest)):
            found += [
                (name, f"{key}={one}") for one in re.findall(r"\w+", others[1]) if one != "or"
            ]
        if equals and (other := re.match(rf",? or {re.escape(key)}=(\S+)", rest)):
            found.append((name, f"{key}={_bare(other[1])}"))
    return found


def _bare(word: str) -> str:
    """A value without its quotes and the signs of the sentence that it stands in."""
    value = re.sub(r"[;:`]+$", "", word)
    value = value[:-1] if value.endswith(")") and value.count("(") < value.count(")") else value
    sign = re.fullmatch(r"(decimal|thousands)=([.,]).*", value)
    value = f"{sign[1]}={sign[2]}" if sign else re.sub(r"(?<=[^=])[.,;:]+$", "", value)
    assert any(sign in value for sign in "'\"") or not OF_SHELLS.search(value), (
        f"no shell takes {value} as it is"
    )
    return re.sub("[\"']", "", value)


def obeyed(
    *words: object,
    knows: Sequence[str] = (),
    map: Path | None = None,
    toml: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """What a command finds at once, or after its remedies are followed to the letter; `remedies` has what was added.

    Parameters
    ----------
    words : object
        The command as it is typed first.
    knows : sequence of str
        What a person knows of the file, as options are given: "decimal=,". One that a remedy names is added as it is
        named there; a refusal that names none of them fails.
    map : Path, optional
        The map that a person wrote.
    toml : mapping of str to str
        What a remedy says of a map, such as "[sides]", to what is then written at the map's end.
    """
    added: list[str] = []
    followed: list[str] = []
    left, open_lines = list(knows), dict(toml or {})
    for _ in range(6):
        result = tercel(*words, *added, "--json")
        if result.exit_code == 0:
            return json.loads(result.stdout) | {
                "remedies": followed,
                "said": " ".join(result.stderr.split()),
            }
        error = refused(*words, *added)
        picked = [(name, value) for name, value in options(error["remedy"]) if value in left]
        lines = [key for key in open_lines if key in error["remedy"]]
        assert picked or lines, f"no remedy that can be followed: {error}"
        for name, value in dict.fromkeys(picked):
            added += [name, value]
            left.remove(value)
        followed += [value for _, value in dict.fromkeys(picked)]
        for key in () if picked else lines:
            assert map is not None
            map.write_text(map.read_text() + "\n" + open_lines.pop(key) + "\n")
            followed.append(key)
    raise AssertionError(f"still refused after {followed}")


def under(found: Any, key: str) -> list[Any]:
    """Whatever stands under a key, anywhere in an object; rows with `currency` = key count by their amount."""
    values: list[Any] = []
    if isinstance(found, dict):
        values += [found[key]] if key in found else []
        if found.get("currency") == key:
            values += [one for name, one in found.items() if name != "currency"]
        values += [one for inner in found.values() for one in under(inner, key)]
    elif isinstance(found, list):
        values += [one for inner in found for one in under(inner, key)]
    return values
