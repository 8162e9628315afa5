"""Names that have changed: the old ones still lead to what they meant, with a warning."""

from __future__ import annotations

import functools
import importlib
import warnings
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def forward(old: str, new: str) -> Callable[[str], Any]:
    """Return the `__getattr__` of a module that is left for those who import it by its old name."""

    def __getattr__(name: str) -> Any:
        if not name.startswith("__"):
            module = importlib.import_module(new)
            if hasattr(module, name):
                warnings.warn(
                    f"{old} has moved: import {name} from {new} instead",
                    DeprecationWarning,
                    stacklevel=2,
                )
                return getattr(module, name)
        raise AttributeError(f"module {old!r} has no attribute {name!r}")

    return __getattr__


def renamed_parameter(
    old: str, new: str
) -> Callable[[Callable[Arguments, Result]], Callable[Arguments, Result]]:
    """Let a function take a parameter by its old name as well, with a warning."""

    def decorate(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        @functools.wraps(function)
        def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
            if old in kwargs:
                if new in kwargs:
                    raise TypeError(f"{old} is the old name of {new}: pass {new} alone")
                warn_of_old_name(f"parameter {old}", new)
                kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return call

    return decorate


def renamed_members(module: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the `__getattr__` of a module whose functions or constants have new names in it."""

    def __getattr__(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        warn_of_old_name(f"{module}.{name}", names[name])
        return getattr(importlib.import_module(module), names[name])

    return __getattr__


def renamed_attribute(old: str, new: str) -> Any:
    """Return a property for an attribute or a method that has a new name."""

    def get(owner: Any) -> Any:
        warn_of_old_name(f"{type(owner).__name__}.{old}", new)
        return getattr(owner, new)

    return property(get, doc=f"Deprecated name of `{new}`.")


def renamed_field(old: str, new: str) -> Callable[[type[Result]], type[Result]]:
    """Let a dataclass have a field by its old name as well, with a warning."""

    def decorate(owner: type[Result]) -> type[Result]:
        vars_of: Any = owner  # mypy lets nobody replace an __init__
        vars_of.__init__ = renamed_parameter(old, new)(vars_of.__init__)
        setattr(owner, old, renamed_attribute(old, new))
        return owner

    return decorate


def warn_of_old_name(old: str, new: str) -> None:
    """Warn the caller's caller that something has a new name."""
    warnings.warn(f"{old} is now called {new}", DeprecationWarning, stacklevel=3)
