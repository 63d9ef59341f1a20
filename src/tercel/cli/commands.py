"""Typer commands made of functions: the parameters are the options, errors are printed without a traceback.

Options that several commands share, or that other packages extend, are a frozen dataclass: a parameter annotated with
it gives its fields, ``__post_init__`` checks the values. A request of another package names its function, so
that a module that is heavy to import is loaded when the command runs: ``body = "package.module:function"``.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import typer
from typer.core import TyperCommand, TyperOption

from tercel.cli.interrupts import NOTHING_HALF_DONE, report_errors
from tercel.cli.options import IN_LAKE
from tercel.core.errors import split_commas


def command_line(name: str, text: str) -> typer.Typer:
    """An empty Typer command line with the options of `tercel`; :func:`run_app` runs it."""
    return typer.Typer(
        name=name,
        help=text,
        no_args_is_help=True,
        add_completion=name == "tercel",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


class Command(TyperCommand):
    """Typer command that refuses a comma-separated option typed twice, as the first value would be lost."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the typed arguments; refuse an option of comma-separated values that is typed twice."""
        typed = self.make_parser(ctx).parse_args(args=list(args))[2]
        for option in (
            option for option in typed if isinstance(option, TyperOption) and not option.multiple
        ):
            if typed.count(option) > 1 and (
                "," in f"{option.metavar}" or "comma" in f"{option.help}"
            ):
                raise typer.BadParameter(
                    f"typed twice: write it once, with commas: {option.opts[0]} A,B", ctx, option
                )
        return super().parse_args(ctx, args)


def add(app: typer.Typer, *bodies: Callable[..., int | None] | type) -> None:
    """Add commands to a group, made of functions or of request classes, in this order.

    A function's parameters are the options; one that is annotated with a dataclass gives its fields. A command is
    called as its function (``list_`` is ``list``), its help is the docstring (of the function, or of the request that
    names it), and its exit code what the function returns. :func:`~tercel.cli.interrupts.report_errors` prints errors;
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
                command_of(_lazy_body(body))
            )
        else:
            name = body.__name__.rstrip("_").replace("_", "-")
            app.command(name, cls=Command)(command_of(body))


def request_of(callback: Any) -> type | None:
    """Request class of a command that `add` made; None for other commands."""
    return getattr(callback, "request", None)


def _lazy_body(kind: Any) -> Callable[[Any], int | None]:
    """Function that imports and calls the function named by a request class."""

    def body(request: Any) -> int | None:
        """Import the request's function and call it."""
        module, _, name = kind.body.partition(":")
        code: int | None = getattr(import_module(module), name)(request)
        return code

    body.__annotations__["request"] = kind
    body.__doc__ = kind.__doc__
    return body


def command_of(body: Callable[..., int | None]) -> Callable[..., None]:
    """Function for Typer made of `body`: its parameters, with the fields of dataclass parameters as options."""
    parameters = inspect.signature(body).parameters
    kinds = [
        parameter.annotation
        for parameter in parameters.values()
        if is_dataclass(parameter.annotation)
    ]
    request = kinds[0] if len(kinds) == len(parameters) == 1 else None
    options = _options(parameters)
    interrupted = getattr(body, "interrupted", getattr(request, "interrupted", NOTHING_HALF_DONE))

    def run_command(**values: Any) -> None:
        """Call the body with the typed values, report errors, and exit with its code."""
        with report_errors(values.get("as_json", False), interrupted.format_map(values)):
            if values.get("symbol") and IN_LAKE in get_args(options["symbol"].annotation):
                values["symbol"] = _in_lake(
                    values["symbol"], values.get("tape") or values.get("lake")
                )
            raise typer.Exit(body(**_arguments(parameters, values)) or 0)

    run_command.__name__ = body.__name__
    run_command.__doc__ = body.__doc__
    run_command.__annotations__ = {
        name: parameter.annotation for name, parameter in options.items()
    } | {"return": None}
    run_command.__signature__ = inspect.Signature(list(options.values()))  # type: ignore[attr-defined]
    run_command.request = request  # type: ignore[attr-defined]
    return run_command


def _options(parameters: Mapping[str, inspect.Parameter]) -> dict[str, inspect.Parameter]:
    """Options by name: a parameter that is annotated with a dataclass gives those of its fields."""
    options: dict[str, inspect.Parameter] = {}
    for name, parameter in parameters.items():
        kind: Any = parameter.annotation
        if isinstance(kind, type) and is_dataclass(kind):
            options |= _options(inspect.signature(kind).parameters)
        else:
            options[name] = parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
    return options


def _arguments(
    parameters: Mapping[str, inspect.Parameter], values: Mapping[str, Any]
) -> dict[str, Any]:
    """Arguments of a function from the typed values of its options, dataclasses built."""
    arguments: dict[str, Any] = {}
    for name, parameter in parameters.items():
        kind: Any = parameter.annotation
        if isinstance(kind, type) and is_dataclass(kind):
            arguments[name] = kind(**_arguments(inspect.signature(kind).parameters, values))
        else:
            arguments[name] = values[name]
    return arguments


def _in_lake(symbols: str, lake: Path | None) -> str:
    """Comma-separated symbols in the spelling of the lake."""
    if lake is None:
        return symbols
    from tercel.market.tape import Lake

    return ",".join(Lake(lake).match_case(symbol) for symbol in split_commas(symbols))
