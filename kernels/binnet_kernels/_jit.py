"""The one place that talks to Numba's compiler: flags, and where compiled code is cached.

Kernels are decorated with :func:`kernel` or :func:`parallel_kernel`. Compiled code is kept in the
user's cache folder, or in NUMBA_CACHE_DIR if that is set; there in a subfolder named after a hash
of all kernel sources, those in subfolders included. Numba itself looks at the file of the kernel
alone: without the hash, an edit in a callee would leave stale binaries behind. Where the folder
cannot be written, nothing is cached.

A number that is written out, or that a variable begins with, has a type of its own for Numba: a
kernel that is called with ``0`` and with an int64 is compiled twice. Hence ``np.int64(0)`` where a
kernel calls another.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba.core import event

Function = TypeVar("Function", bound=Callable[..., Any])

# Contraction to fused multiply-adds is the only liberty taken: one factor of every product that is
# summed in bulk is a spin (-1, 0, +1), so the product is exact and the fused result is the rounded
# one, bit for bit.
CONTRACT = {"contract"}
# For sums of products with spins whose order is free (a dot product must be reassociated to be
# vectorised). NaN and infinity keep their meaning: neither `nnan` nor `ninf` is in the set
# (tests/test_kernels_fields.py).
REASSOCIATE = {"contract", "reassoc", "nsz"}


def _user_cache_folder() -> Path:
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "binnet" / "kernels"


def _source_hash(folder: Path) -> str:
    """Return a hash of Numba's version and of all sources below a folder, by path and content."""
    digest = hashlib.sha256(numba.__version__.encode())
    for path in sorted(folder.rglob("*.py")):
        source = path.read_bytes()
        digest.update(f"\n{path.relative_to(folder).as_posix()} {len(source)}\n".encode())
        digest.update(source)
    return digest.hexdigest()[:16]


def _find_cache_folder() -> str | None:
    """Return the folder for compiled kernels, or None where nothing can be written."""
    version = _source_hash(Path(__file__).parent)
    try:
        if numba.config.CACHE_DIR:  # NUMBA_CACHE_DIR: the user has decided where
            folder = Path(numba.config.CACHE_DIR) / f"binnet-{version}"
        else:
            folder = _user_cache_folder() / version
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return str(folder)
    except (OSError, RuntimeError):  # read-only file system; no home folder
        return None


CACHE_FOLDER = _find_cache_folder()


def _compile(function: Function, **options: Any) -> Function:
    options.setdefault("fastmath", CONTRACT)
    options.setdefault("no_cfunc_wrapper", True)  # an entry from C, which nobody uses
    users_folder = numba.config.CACHE_DIR
    # Numba reads the folder while it decorates; other packages' kernels must not see ours.
    numba.config.CACHE_DIR = CACHE_FOLDER or ""
    try:
        compiled: Function = numba.njit(
            nogil=True, error_model="numpy", cache=CACHE_FOLDER is not None, **options
        )(function)
    finally:
        numba.config.CACHE_DIR = users_folder
    if CACHE_FOLDER is not None:
        _name_own_files(compiled)
    return compiled


def _name_own_files(compiled: Any) -> None:
    """Give the files of a kernel's compiled code a name that no other process gives.

    Numba numbers them by an index that it reads before it writes: of two processes that save the
    same kernel for different types at once, one may overwrite the code to which the index of the
    other points, and whoever loads it computes with the wrong type.
    """
    file = compiled._cache._cache_file
    file._data_name_pattern = f"{Path(file._index_name).stem}.{uuid.uuid4().hex}.{{number:d}}.nbc"


class _Compilation(event.Listener):  # type: ignore[misc]
    """Tells once that something is being compiled; loading from the cache is no compilation."""

    def __init__(self, tell: Callable[[], object]) -> None:
        self._tell: Callable[[], object] | None = tell

    def on_start(self, event: event.Event) -> None:
        """Tell it, the first time."""
        tell, self._tell = self._tell, None
        if tell is not None:
            tell()

    def on_end(self, event: event.Event) -> None:
        """Do nothing."""


@contextmanager
def telling_of_compilation(tell: Callable[[], object]) -> Iterator[None]:
    """Call `tell` when the first kernel inside is compiled; not if all come from the cache."""
    with event.install_listener("numba:compile", _Compilation(tell)):
        yield


def kernel(function: Function) -> Function:
    """Compile a serial kernel."""
    return _compile(function, _nrt=False)


def inner_kernel(function: Function) -> Function:
    """Compile a serial kernel that only other kernels call: without the entry from Python.

    For a kernel that takes groups of arrays the entry costs more compilation than its loops do.
    `lowlevel.calls.invoke` calls it all the same.
    """
    return _compile(function, _nrt=False, no_cpython_wrapper=True)


def reassociating_kernel(function: Function) -> Function:
    """Compile a serial kernel whose sums may be reordered (see REASSOCIATE)."""
    return _compile(function, fastmath=REASSOCIATE, _nrt=False)


def parallel_kernel(function: Function) -> Function:
    """Compile a kernel whose `prange` loops run on the threads that the caller has set."""
    return _compile(function, parallel=True)
