"""The command line in this process: what it found, how it refused, and the options that a remedy names."""

import json
import re
from typing import Any

from tests.cli.command import tercel

OPTION = re.compile(r"(--[a-z][a-z-]*)[ =]((?:\"[^\"]*\"|'[^']*'|[^\s\"'])+)")
OF_SHELLS = re.compile(r"[()&|;<>*?$`\\!#\s]")
"""Letters that a shell does not hand on as they are."""


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
