"""Modules that have moved: their old names still lead to what they held, with a warning."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from typing import Any


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
