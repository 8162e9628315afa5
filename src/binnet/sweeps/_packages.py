"""Whose code a module is: an installed package's, which its version tells, or the user's own."""

from __future__ import annotations

import functools
import importlib.util
import sys
import sysconfig
from importlib import metadata
from pathlib import Path


@functools.cache
def find_package(module: str) -> str | None:
    """Return the installed package that a module is of; None for the user's own code.

    Python's library is "python", both packages of this distribution "binnet". Code that is
    installed in an editable way counts as the user's: it changes without its version.
    """
    top = module.partition(".")[0]
    if top in ("binnet", "binnet_kernels"):
        return "binnet"
    if top == "__main__":
        return None
    found = sys.modules.get(module) or sys.modules.get(top)
    if found is not None:
        file = getattr(found, "__file__", None)
    else:
        try:
            spec = importlib.util.find_spec(top)
        except (ImportError, ValueError):
            spec = None
        file = None if spec is None else spec.origin
    if file in (None, "built-in", "frozen"):
        return "python" if top in sys.stdlib_module_names else None
    place = Path(str(file))
    if {"site-packages", "dist-packages"} & set(place.parts):
        return top
    library = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib")]
    return "python" if any(place.is_relative_to(folder) for folder in library) else None


@functools.cache
def find_version(package: str) -> str:
    """Return the version of an installed package."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        names = metadata.packages_distributions().get(package, ())
        return ", ".join(f"{name} {metadata.version(name)}" for name in sorted(names)) or "unknown"
