"""Every option of every command: its names, its type, what it is when it is not typed."""

import inspect
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from guards.figures import Leaves
from guards.program import commands


def options() -> Leaves:
    """Options and arguments of all commands, by command and name."""
    found: Leaves = {}
    for command, body in commands():
        hints = get_type_hints(inspect.unwrap(body.callback), include_extras=True)
        told = dict(_told(one, hints.get(one.name, bool)) for one in body.params)
        found |= {
            f"{command}/{name}": text for name, text in (told or {"(none)": "no options"}).items()
        }
    return found


def _told(parameter: Any, hint: Any) -> tuple[str, str]:
    """The longest name of an option, or an argument's in angle brackets; and what it takes."""
    argument = parameter.param_type_name == "argument"
    names = sorted([*parameter.opts, *parameter.secondary_opts], key=len, reverse=True)
    words = [
        _type(hint),
        "required" if parameter.required else f"default {_default(parameter.default)}",
    ]
    words += ["hidden"] if parameter.hidden else []
    words += [] if argument or len(names) == 1 else [f"also {' '.join(names[1:])}"]
    return f"<{parameter.name}>" if argument else names[0], ", ".join(words)


def _type(hint: Any) -> str:
    """A type as written, with its bounds.

    >>> from typer import Option
    >>> _type(Annotated[int | None, Option(min=0)]), _type(list[Path])
    ('int | None from 0', 'list[Path]')
    """
    kind, *about = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    text = (
        kind.__name__
        if isinstance(kind, type) and not get_args(kind)
        else str(kind).replace("pathlib.", "")
    )
    for info in about:
        text += "" if getattr(info, "min", None) is None else f" from {info.min}"
        text += "" if getattr(info, "max", None) is None else f" to {info.max}"
    return text


def _default(default: Any) -> str:
    return repr(str(default) if isinstance(default, Path) else default)
