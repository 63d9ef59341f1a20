"""Validate configurations with pydantic: errors name the key, its row in the file and a remedy."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, Final, TypeVar, get_args, get_type_hints

from pydantic import (
    BaseModel,
    ConfigDict,
    ValidationError,
    ValidationInfo,
    create_model,
    field_validator,
)

from tercel.core.errors import ConfigError, nearest_names
from tercel.core.toml import row_of_key

# Configurations as pydantic models, and its errors with what was expected, received and what to do.
EXPECTED_TEXTS: Final = {
    **dict.fromkeys(
        ("model_type", "model_attributes_type", "dict_type", "dataclass_type"), "a table"
    ),
    **dict.fromkeys(("tuple_type", "list_type"), 'a list, such as ["a", "b"]'),
    "missing": "a value, as it has no default",
    "string_type": "text",
    "string_pattern_mismatch": "text of the form {pattern}",
    "too_short": "a list of {min_length} or more",
    "too_long": "a list of {max_length} or fewer",
}
"""What was expected, by pydantic's type of error; other errors have texts that say it."""
EMAIL_ADDRESS: Final = r"^[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9.-]+$"
"""Pattern of an e-mail address in ASCII."""
WORD: Final = r"^[A-Za-z0-9._-]+$"
ASCII: Final = r"^[ -~]*$"
DATE: Final = r"^(\d{4}-\d{2}-\d{2})?$"
CURRENCY: Final = r"^[A-Z]{0,8}$"
PATTERN_TEXTS: Final = {
    EMAIL_ADDRESS: "an e-mail address such as ann@example.com",
    WORD: "letters, digits, dots, dashes and underscores alone",
    ASCII: "characters of ASCII alone",
    DATE: "a date such as 2024-01-31",
    CURRENCY: "a currency such as USD",
}
"""What texts of a pattern are, in words."""
Model = TypeVar("Model", bound=BaseModel)


_ALSO_CALLED: Final = {
    "horizon": ("label_days", "label_horizon", "label_bars", "forward_days", "holding_days")
}
"""What the field calls a key, where the name itself is nothing like it."""


class TomlTable(BaseModel):
    """Base of pydantic models for tables of TOML files: unknown keys, NaN, and values of another type are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _as_written(cls, value: Any, info: ValidationInfo) -> Any:
        """Return a value unchanged; refuse truth values and texts where a number is expected, and others for a truth value."""
        annotation = cls.model_fields[str(info.field_name)].annotation
        kinds = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
        is_not_number = (
            isinstance(value, bool | str) and {int, float} & set(kinds) and type(value) not in kinds
        )
        if is_not_number or (annotation is bool and type(value) is not bool):
            raise ValueError(f"a value of type {getattr(annotation, '__name__', annotation)}")
        return value


def validate_model(kind: type[Model], raw: Mapping[str, Any], name: str, reader: str) -> Model:
    """Build a pydantic model from plain values; errors name the key, its row and a remedy.

    Parameters
    ----------
    kind : type of BaseModel
    raw : mapping
        Values of the file.
    name : str
        Name in errors: the path.
    reader : str
        Owner of the keys, such as "a desk".

    Raises
    ------
    ConfigError
        The first unknown key, with the nearest known one; else all invalid values.
    """
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        refusals = [(".".join(map(str, refusal["loc"])), refusal) for refusal in error.errors()]
        for key, refusal in refusals:
            if refusal["type"] == "extra_forbidden":
                received = f"{name}: {key}{row_note(name, refusal['loc'])}"
                remedy = _key_remedy(refusal["loc"], model_keys(kind))
                raise ConfigError(f"keys that {reader} knows", received, remedy) from None
        # A list of which an item is refused is refused as too short as well.
        within = [key.rpartition(".")[0] for key, _ in refusals if key]
        refusals = [(key, refusal) for key, refusal in refusals if key not in within]
        expected = [
            ": ".join(filter(None, (key, expected_text(refusal)))) for key, refusal in refusals
        ]
        received_values = [
            ("nothing" if refusal["type"] == "missing" else f"{refusal['input']!r}"[:200])
            + row_note(name, refusal["loc"])
            for _, refusal in refusals
        ]
        raise ConfigError(
            "; ".join(expected),
            f"{name}: {'; '.join(received_values)}",
            "mend the file",
        ) from None


def convert_options(
    target: Any, options: Mapping[str, Any], name: str, **types: Any
) -> dict[str, Any]:
    """Convert those options that a dataclass or function annotates; others pass, missing ones are not noticed. `name`
    names them in errors.

    Parameters
    ----------
    target : type, or a function
    options : mapping of str to Any
        An option without an annotation may be anything.
    name : str
    **types : Any
        Of options that are read as another type than their annotation.

    Raises
    ------
    ConfigError
        The first value that will not do.

    >>> from dataclasses import make_dataclass
    >>> convert_options(make_dataclass("Lag", [("days", float)]), {"days": 3}, "lag")
    {'days': 3.0}
    """
    annotations = get_type_hints(target, include_extras=True) | types
    fields: dict[str, Any] = {option: (annotations.get(option, Any), ...) for option in options}
    return dict(
        validate_model(create_model("Options", __base__=TomlTable, **fields), options, name, name)
    )


def row_note(name: str, keys: Sequence[str | int]) -> str:
    """Note " (row N)" for a key in the file called `name`; "" if there is no such file."""
    file = Path(name)
    row = row_of_key(file.read_text(encoding="utf-8"), keys) if file.is_file() else None
    return "" if row is None else f" (row {row})"


def expected_text(refusal: Mapping[str, Any]) -> str:
    """What pydantic expected, by its error, without class names.

    >>> expected_text({"type": "model_type", "msg": "Input should be a valid dictionary or instance of Inner"})
    'a table'
    """
    facts = refusal.get("ctx", {})
    if (template := EXPECTED_TEXTS.get(refusal["type"])) is not None:
        return PATTERN_TEXTS.get(facts.get("pattern", ""), template.format(**facts))
    return str(refusal["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")


def model_keys(kind: type[BaseModel], table: str = "") -> list[tuple[str, str]]:
    """(table, key) of every key of a model and of its nested models; `table` is the name of the model's own table."""
    inside = [
        (name, inner)
        for name, field in kind.model_fields.items()
        for inner in dict.fromkeys(_models(field.annotation))
    ]
    below = [
        key for name, inner in inside for key in model_keys(inner, f"{table}.{name}".lstrip("."))
    ]
    return [*((table, name) for name in kind.model_fields), *below]


def _key_remedy(place: Sequence[str | int], known: Sequence[tuple[str, str]]) -> str:
    """Remedy for an unknown key: the table that has it, or the nearest known name, first of its own table.

    >>> _key_remedy(("lots",), [("desk", "lots")]), _key_remedy(("lot",), [("desk", "lots")])
    ('move it to the table desk', "try 'lots' in the table desk")
    >>> _key_remedy(("panel", "label_days"), [("panel", "horizon"), ("source", "max_age_days")])
    "try 'horizon'"
    """
    key = str(place[-1])
    table_name = ".".join(part for part in place[:-1] if isinstance(part, str))
    own_keys = [name for table, name in known if f"{table_name}.".startswith(f"{table}.")]
    near_own = nearest_names(key, own_keys)
    homes = [table for table, name in known if name == key and key not in own_keys]
    if homes and not near_own:
        return f"move it {' or '.join(f'to the table {home}' if home else 'above the first table' for home in homes)}"
    near = (
        [name for name in own_keys if key in _ALSO_CALLED.get(name, ())]
        or near_own
        or nearest_names(key, [name for _, name in known])
    )
    locations = (
        f" in the table {table}" for table, name in known if name in near and name not in own_keys
    )
    return f"try {near[0]!r}{next(locations, '')}" if near else "take it out"


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Pydantic models within an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)
