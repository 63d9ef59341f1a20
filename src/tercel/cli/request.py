"""A command of one request: the fields of a frozen dataclass are its options, its function does the rest.

A field is annotated as a parameter of Typer's would be, ``Annotated[int, typer.Option(help="...")] = 1``; a check of
what was typed may stand in ``__post_init__``. In Python the same request is made and given to the same function.
"""

import inspect
from collections.abc import Callable
from typing import Any

import typer

from tercel.cli.shared import NOTHING_HALF_DONE, told


def add(app: typer.Typer, *bodies: Callable[[Any], int | None]) -> None:
    """Make commands of functions of one request, in this order.

    A command is called as its function (``list_`` is ``list``), its help is the docstring, and its exit code what is
    given back. Errors are told by :func:`~tercel.cli.shared.told`; what is told after Ctrl-C is the request's
    ``interrupted``, which may name fields in braces.

    >>> from dataclasses import dataclass
    >>> from typing import Annotated
    >>> @dataclass(frozen=True)
    ... class Twice:
    ...     number: Annotated[int, typer.Argument()]
    >>> def double(asked: Twice) -> None:
    ...     print(asked.number, asked.number)
    >>> app = typer.Typer()
    >>> add(app, double)
    >>> app(["3"], standalone_mode=False)
    3 3
    0
    """
    for body in bodies:
        app.command(body.__name__.rstrip("_").replace("_", "-"))(_typed(body))


def _typed(body: Callable[[Any], int | None]) -> Callable[..., None]:
    """The function that Typer reads: its signature is the request's."""
    (asked,) = inspect.signature(body).parameters.values()
    request, signature = asked.annotation, inspect.signature(asked.annotation)
    interrupted: str = getattr(request, "interrupted", NOTHING_HALF_DONE)

    def typed(**options: Any) -> None:
        with told(options.get("as_json", False), interrupted.format_map(options)):
            raise typer.Exit(body(request(**options)) or 0)

    typed.__name__, typed.__doc__ = body.__name__, body.__doc__
    typed.__annotations__ = {one.name: one.annotation for one in signature.parameters.values()} | {"return": None}
    typed.__signature__ = signature  # type: ignore[attr-defined]
    return typed
