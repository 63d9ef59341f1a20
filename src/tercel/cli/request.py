"""A command of one request: the fields of a frozen dataclass are its options, its function does the rest.

A field is annotated as a parameter of Typer's would be, ``Annotated[int, typer.Option(help="...")] = 1``; a check of
what was typed may stand in ``__post_init__``. In Python the same request is made and given to the same function. A
request whose function lies in a module that is heavy to import names it: ``body = "package.module:function"``.
"""

import inspect
from collections.abc import Callable
from dataclasses import is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import typer
from typer.core import TyperCommand, TyperOption

from tercel.cli.shared import IN_LAKE, NOTHING_HALF_DONE, reported
from tercel.core.errors import listed


class Command(TyperCommand):
    """A command that refuses to be typed an option of several values with commas twice: the first would be lost."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read what was typed."""
        typed = self.make_parser(ctx).parse_args(args=list(args))[2]
        for one in (one for one in typed if isinstance(one, TyperOption) and not one.multiple):
            if typed.count(one) > 1 and ("," in f"{one.metavar}" or "comma" in f"{one.help}"):
                raise typer.BadParameter(
                    f"typed twice: write it once, with commas: {one.opts[0]} A,B", ctx, one
                )
        return super().parse_args(ctx, args)


def add(app: typer.Typer, *bodies: Callable[[Any], int | None] | type) -> None:
    """Make commands of functions of one request, or of requests that name theirs, in this order.

    A command is called as its function (``list_`` is ``list``), its help is the docstring (of the function, or of the
    request that names it), and its exit code what is given back. Errors are told by
    :func:`~tercel.cli.shared.reported`; what is told after Ctrl-C is the request's ``interrupted``, which may name
    fields in braces.

    >>> from dataclasses import dataclass
    >>> from typing import Annotated
    >>> @dataclass(frozen=True)
    ... class Twice:
    ...     number: Annotated[int, typer.Argument()]
    >>> def double(request: Twice) -> None:
    ...     print(request.number, request.number)
    >>> app = typer.Typer()
    >>> add(app, double)
    >>> app(["3"], standalone_mode=False)
    3 3
    0
    """
    for body in bodies:
        if isinstance(body, type):
            app.command(str(getattr(body, "body", "")).partition(":")[2], cls=Command)(
                _typed(_named(body), body, body.__doc__)
            )
        else:
            (given,) = inspect.signature(body).parameters.values()
            name = body.__name__.rstrip("_").replace("_", "-")
            app.command(name, cls=Command)(_typed(body, given.annotation, body.__doc__))


def as_callback(body: Callable[[Any], int | None]) -> Callable[..., None]:
    """The callback that Typer reads of a function of one request, for a group that is a command too."""
    (given,) = inspect.signature(body).parameters.values()
    return _typed(body, given.annotation, body.__doc__)


def request_of(callback: Any) -> type | None:
    """The request that a command made here is of; None for any other command."""
    return getattr(callback, "request", None)


def _named(kind: Any) -> Callable[[Any], int | None]:
    """The function that a request names, imported when it is called."""

    def body(request: Any) -> int | None:
        module, _, name = kind.body.partition(":")
        code: int | None = getattr(import_module(module), name)(request)
        return code

    return body


def _typed(body: Callable[[Any], int | None], kind: Any, text: str | None) -> Callable[..., None]:
    """The function that Typer reads: its signature is the request's, requests inside it spread out."""
    fields = inspect.signature(kind).parameters
    inner = {
        name: inspect.signature(one.annotation).parameters
        for name, one in fields.items()
        if isinstance(one.annotation, type) and is_dataclass(one.annotation)
    }
    options = [
        each
        for name, one in fields.items()
        for each in (inner[name].values() if name in inner else [one])
    ]
    interrupted: str = getattr(kind, "interrupted", NOTHING_HALF_DONE)

    def typed(**values: Any) -> None:
        with reported(values.get("as_json", False), interrupted.format_map(values)):
            if values.get("symbol") and IN_LAKE in get_args(fields["symbol"].annotation):
                values["symbol"] = _in_lake(
                    values["symbol"], values.get("tape") or values.get("lake")
                )
            parts = {
                name: fields[name].annotation(**{key: values.pop(key) for key in its})
                for name, its in inner.items()
            }
            raise typer.Exit(body(kind(**values, **parts)) or 0)

    typed.__name__ = body.__name__
    typed.__doc__ = text
    typed.__annotations__ = {name: one.annotation for name, one in fields.items()} | {
        "return": None
    }
    typed.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
    typed.request = kind  # type: ignore[attr-defined]
    return typed


def _in_lake(symbols: str, lake: Path | None) -> str:
    """Symbols with commas between them, spelt as the lake spells them."""
    if lake is None:
        return symbols
    from tercel.market.tape import Lake

    return ",".join(Lake(lake).spelt(one) for one in listed(symbols))
