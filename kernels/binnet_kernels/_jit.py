"""The one place that talks to Numba's compiler: flags, and where compiled code is cached.

Kernels are decorated with :func:`kernel`. They are serial: threads are the caller's, each of which
calls a kernel for its share. Numba's own would be in a bad state after a fork.

Compiled code is kept in the user's cache folder, or in NUMBA_CACHE_DIR if that is set; there in a
subfolder named after a hash of all kernel sources, those in subfolders included. Numba itself looks
at the file of the kernel alone: without the hash, an edit in a callee would leave stale binaries
behind. What is read from there is checked against a digest: damaged code is compiled again, and its
file replaced. Where nothing can be written, nothing is kept, which is said once.

A number that is written out, or that a variable begins with, has a type of its own for Numba: a
kernel that is called with ``0`` and with an int64 is compiled twice. Hence ``np.int64(0)`` where a
kernel calls another.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import sys
import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba import types
from numba.core import event
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.compiler_lock import global_compiler_lock
from numba.core.runtime import rtsys
from numba.extending import overload

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
    except (OSError, RuntimeError) as error:  # read-only file system; no home folder
        _tell_of_no_cache(error)
        return None


_told = False


def _tell_of_no_cache(error: Exception) -> None:
    """Say once in a process that compiled code is not kept."""
    global _told
    if not _told:
        _told = True
        warnings.warn(
            f"compiled kernels cannot be kept, so each start compiles them again ({error}); free "
            "some space, or set NUMBA_CACHE_DIR to a folder that can be written",
            RuntimeWarning,
            stacklevel=2,
        )


CACHE_FOLDER = _find_cache_folder()

if hasattr(os, "register_at_fork"):  # not on Windows
    # A process that is forked while another thread compiles would wait for ever for its lock.
    os.register_at_fork(
        before=global_compiler_lock.acquire,
        after_in_parent=global_compiler_lock.release,
        after_in_child=global_compiler_lock.release,
    )


class _CacheFiles(IndexDataCacheFile):  # type: ignore[misc]
    """The files of one kernel: an index of its types, and compiled code; a digest leads each.

    Code has a name that no other process gives. Numba numbers it by an index that it reads before
    it writes: of two processes that save the same kernel for different types at once, one may
    overwrite the code to which the index of the other points, and whoever loads it computes with
    the wrong type. For the same reason code is written before the index that names it.
    """

    def save(self, key: Any, data: Any) -> None:
        """Save compiled code under a new name."""
        name = f"{Path(self._index_name).stem}.{uuid.uuid4().hex}.nbc"
        self._save_data(name, data)
        self._save_index(self._load_index() | {key: name})

    def _write(self, path: str, content: Any) -> None:
        packed = self._dump(content)
        with self._open_for_write(path) as file:
            file.write(hashlib.sha256(packed).digest() + packed)

    def _read(self, path: str) -> Any:
        """Return the content of a file; an OSError says that it is not there, or damaged."""
        content = Path(path).read_bytes()
        digest, packed = content[:32], content[32:]
        if hashlib.sha256(packed).digest() != digest:
            raise OSError(f"{path} is damaged")
        return pickle.loads(packed)

    def _load_index(self) -> dict[Any, str]:
        try:
            stamp, names = self._read(self._index_path)
        except OSError:
            return {}
        return dict(names) if stamp == self._source_stamp else {}

    def _save_index(self, overloads: dict[Any, str]) -> None:
        self._write(self._index_path, (self._source_stamp, overloads))

    def _load_data(self, name: str) -> Any:
        return self._read(self._data_path(name))

    def _save_data(self, name: str, data: Any) -> None:
        self._write(self._data_path(name), data)


class _Cache(FunctionCache):  # type: ignore[misc]
    """What a dispatcher asks for compiled code before it compiles."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._cache_file = _CacheFiles(
            self._cache_path, self._impl.filename_base, self._impl.locator.get_source_stamp()
        )

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Load compiled code, without what only a compiler needs.

        Numba's own loads first what it knows of NumPy, SciPy's linear algebra among it, which takes
        five times as long as the kernels of a run. Whatever compiles loads it then.
        """
        rtsys.initialize(target_context)  # entries from Python call it
        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)

    def save_overload(self, sig: Any, data: Any) -> None:
        """Save compiled code; where that fails (a full disk), say so and go on without."""
        try:
            super().save_overload(sig, data)
        except OSError as error:
            _tell_of_no_cache(error)


def _compile(function: Function, **options: Any) -> Function:
    options.setdefault("fastmath", CONTRACT)
    options.setdefault("no_cfunc_wrapper", True)  # an entry from C, which nobody uses
    users_folder = numba.config.CACHE_DIR
    # Numba reads the folder while it decorates; other packages' kernels must not see ours.
    numba.config.CACHE_DIR = CACHE_FOLDER or ""
    try:
        compiled: Any = numba.njit(nogil=True, error_model="numpy", **options)(function)
        if CACHE_FOLDER is not None:
            compiled._cache = _Cache(function)
    except RuntimeError as error:  # the folder cannot be written any more
        _tell_of_no_cache(error)
    finally:
        numba.config.CACHE_DIR = users_folder
    return cast("Function", compiled)


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


def inlined_kernel(function: Function) -> Function:
    """Compile a step that Numba writes into the kernels that call it.

    For a large step of a single caller, which would otherwise be compiled by itself as well.
    """
    return _compile(function, _nrt=False, no_cpython_wrapper=True, inline="always")


def reassociating_kernel(function: Function) -> Function:
    """Compile a serial kernel whose sums may be reordered (see REASSOCIATE)."""
    return _compile(function, fastmath=REASSOCIATE, _nrt=False)


def by_storage(of_dense: Any, of_sparse: Any) -> Any:
    """Return what kernels call as one of two kernels: as the first where weights are an array.

    Where the first argument is a group of arrays, `structs.SparseWeights`, it is the second. The
    choice is made when the caller is compiled.
    """

    def chosen(*arguments: Any) -> None:
        """Stand for the two."""

    @overload(chosen, jit_options={"_nrt": False, "nogil": True, "error_model": "numpy"})  # type: ignore[untyped-decorator]
    def choose(*arguments: Any) -> Any:
        compiled = of_dense if isinstance(arguments[0], types.Array) else of_sparse

        def call(*arguments: Any) -> Any:
            return compiled(*arguments)

        return call

    return chosen


def part_by_storage(of_dense: Any, of_sparse: Any) -> Any:
    """Return what `by_storage` does, of functions ``(banks, bank, n_rows)`` that return arrays.

    They are not compiled by themselves, since kernels return no arrays.
    """

    def chosen(banks: Any, bank: Any, n_rows: Any) -> None:
        """Stand for the two."""

    def choose(banks, bank, n_rows):
        return of_dense if isinstance(banks, types.Array) else of_sparse  # as untyped as these

    overload(chosen, inline="always", jit_options={"_nrt": True})(choose)
    return chosen
