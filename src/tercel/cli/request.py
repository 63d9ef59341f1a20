"""Commands of functions: their parameters are the options, errors are printed without a traceback.

Options that several commands share, or that other packages extend, are a frozen dataclass: a parameter annotated with
it gives its fields, ``__post_init__`` checks what was typed. A request of another package names its function, so
that a module that is heavy to import is loaded when the command runs: ``body = "package.module:function"``.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar, get_args

import typer
from typer.core import TyperCommand, TyperOption

from tercel.cli.shared import IN_LAKE, NOTHING_HALF_DONE, reported
from tercel.core.errors import listed

Body = TypeVar("Body", bound=Callable[..., int | None])


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


def on_interrupt(text: str) -> Callable[[Body], Body]:
    """Decorator of a command: what is said after Ctrl-C; braces hold names of options."""

    def named(body: Body) -> Body:
        body.interrupted = text  # type: ignore[attr-defined]
        return body

    return named


def add(app: typer.Typer, *bodies: Callable[..., int | None] | type) -> None:
    """Make commands of functions, or of requests that name theirs, in this order.

    A function's parameters are the options; one that is annotated with a dataclass gives its fields. A command is
    called as its function (``list_`` is ``list``), its help is the docstring (of the function, or of the request that
    names it), and its exit code what the function returns. :func:`~tercel.cli.shared.reported` prints errors;
    `on_interrupt`, or a request's ``interrupted``, gives the text after Ctrl-C.

    >>> from typing import Annotated
    >>> def double(number: Annotated[int, typer.Argument()]) -> None:
    ...     print(number, number)
    >>> app = typer.Typer()
    >>> add(app, double)
    >>> app(["3"], standalone_mode=False)
    3 3
    0
    """
    for body in bodies:
        if isinstance(body, type):
            app.command(str(getattr(body, "body", "")).partition(":")[2], cls=Command)(
                command_of(_named(body))
            )
        else:
            name = body.__name__.rstrip("_").replace("_", "-")
            app.command(name, cls=Command)(command_of(body))


def request_of(callback: Any) -> type | None:
    """The request that a command made here is of; None for any other command."""
    return getattr(callback, "request", None)


def _named(kind: Any) -> Callable[[Any], int | None]:
    """The function that a request names, imported when it is called."""

    def body(request: Any) -> int | None:
        module, _, name = kind.body.partition(":")
        code: int | None = getattr(import_module(module), name)(request)
        return code

    body.__annotations__["request"] = kind
    body.__doc__ = kind.__doc__
    return body


def command_of(body: Callable[..., int | None]) -> Callable[..., None]:
    """The function that Typer reads: the parameters of `body`, with the fields of dataclasses among them spread out."""
    given = inspect.signature(body).parameters
    kinds = [one.annotation for one in given.values() if is_dataclass(one.annotation)]
    request = kinds[0] if len(kinds) == len(given) == 1 else None
    options = _options(given)
    interrupted = getattr(body, "interrupted", getattr(request, "interrupted", NOTHING_HALF_DONE))

    def typed(**values: Any) -> None:
        with reported(values.get("as_json", False), interrupted.format_map(values)):
            if values.get("symbol") and IN_LAKE in get_args(options["symbol"].annotation):
                values["symbol"] = _in_lake(
                    values["symbol"], values.get("tape") or values.get("lake")
                )
            raise typer.Exit(body(**_arguments(given, values)) or 0)

    typed.__name__ = body.__name__
    typed.__doc__ = body.__doc__
    typed.__annotations__ = {name: one.annotation for name, one in options.items()} | {
        "return": None
    }
    typed.__signature__ = inspect.Signature(list(options.values()))  # type: ignore[attr-defined]
    typed.request = request  # type: ignore[attr-defined]
    return typed


def _options(given: Mapping[str, inspect.Parameter]) -> dict[str, inspect.Parameter]:
    """Options by name: a parameter that is annotated with a dataclass gives those of its fields."""
    found: dict[str, inspect.Parameter] = {}
    for name, one in given.items():
        kind: Any = one.annotation
        if isinstance(kind, type) and is_dataclass(kind):
            found |= _options(inspect.signature(kind).parameters)
        else:
            found[name] = one.replace(kind=inspect.Parameter.KEYWORD_ONLY)
    return found


def _arguments(given: Mapping[str, inspect.Parameter], values: Mapping[str, Any]) -> dict[str, Any]:
    """What a function of such parameters is called with."""
    found: dict[str, Any] = {}
    for name, one in given.items():
        kind: Any = one.annotation
        if isinstance(kind, type) and is_dataclass(kind):
            found[name] = kind(**_arguments(inspect.signature(kind).parameters, values))
        else:
            found[name] = values[name]
    return found


def _in_lake(symbols: str, lake: Path | None) -> str:
    """Symbols with commas between them, spelt as the lake spells them."""
    if lake is None:
        return symbols
    from tercel.market.tape import Lake

    return ",".join(Lake(lake).spelt(one) for one in listed(symbols))
