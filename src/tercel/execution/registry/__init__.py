"""Registry of policies: names with versions, champion and challenger; and the folder that a text names.

A registry is a folder; `tercel-studies` gives another on MLflow, behind the same port. :func:`resolve_policy` is how every
command turns what a person wrote into a policy's folder.
"""

from tercel.execution.registry.entries import (
    ALIASES,
    Promotion,
    Registry,
    RegistryEntry,
    Version,
    check_alias,
    check_name,
)
from tercel.execution.registry.resolve import open_registry, pin_version, resolve_policy

__all__ = [
    "ALIASES",
    "Promotion",
    "Registry",
    "RegistryEntry",
    "Version",
    "check_alias",
    "check_name",
    "open_registry",
    "pin_version",
    "resolve_policy",
]
