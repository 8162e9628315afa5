"""Files that are never half written, and never in the place of what is not ours.

A file is written under a temporary name in the same folder and renamed when it is complete, so
that a crash leaves either the old file or the new one. What is no regular file is never replaced:
a link leads to the file that is written, devices and pipes are written to. A file that binnet did
not write, as far as its mark tells (`is_ours`), is replaced only where the caller says so.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import platform
import re
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from binnet._provenance import get_version
from binnet._records import check_digest

if TYPE_CHECKING:
    import xarray as xr

#: What every picture and text of binnet's says of itself, before the version.
MARK = "written by binnet"
_PEEK = 4096  # bytes at either end of a file in which its mark is looked for
_LARGEST_JSON = 2**26
_DAY = 86400.0
_TEMPORARY = re.compile(r"\.binnet-([0-9a-f]{8})-([0-9]+)-[0-9a-f]{8}(\.[^.]*)?")
_SIGNATURE = re.compile(MARK.encode().join((rb"\n", rb" \S+, sha256 ([0-9a-f]{64})\n\Z")))
_overwrite: ContextVar[bool] = ContextVar("overwrite", default=False)


def make_mark() -> str:
    """Return the mark, with the version."""
    return f"{MARK} {get_version()}"


@contextmanager
def overwriting(allowed: bool) -> Iterator[None]:
    """Let everything below replace files that binnet did not write, as `overwrite=True` does."""
    before = _overwrite.set(allowed or _overwrite.get())
    try:
        yield
    finally:
        _overwrite.reset(before)


def may_overwrite() -> bool:
    """Return whether `overwriting` is in force."""
    return _overwrite.get()


def check_folder(path: str | os.PathLike[str]) -> None:
    """Refuse a path in a folder that is not there or not writable, before there is work to lose."""
    folder = Path(path).parent
    if not folder.is_dir():
        raise FileNotFoundError(
            f"cannot write {path}: the folder {folder} does not exist; create it first"
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(
            f"cannot write {path}: no permission to write into {folder}; name another folder"
        )


def check_file(path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Refuse a file that cannot or may not be written, before there is work to lose.

    What killed processes left half written in its folder is removed.
    """
    target, in_place = _find_target(Path(path), overwrite)
    if not in_place:
        remove_leftovers(target.parent)


def _find_target(path: Path, overwrite: bool) -> tuple[Path, bool]:
    """Return the file to write, behind links, and whether it is to be written to, not replaced."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        mode = None
    if mode is None or stat.S_ISREG(mode):
        target = Path(os.path.realpath(path)) if path.is_symlink() else path
        check_folder(target)
        if mode is not None:
            _refuse_foreign(path, overwrite)
        return target, False
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(f"cannot write {path}: it is a folder; name a file in it")
    if not (stat.S_ISCHR(mode) or stat.S_ISFIFO(mode)) or not os.access(path, os.W_OK):
        raise PermissionError(f"cannot write {path}: it is no file; name another one")
    return path, True


def _refuse_foreign(path: Path, overwrite: bool) -> None:
    if not os.access(path, os.W_OK):
        raise PermissionError(f"cannot write {path}: it is write-protected; name another file")
    if not (overwrite or may_overwrite() or path.stat().st_size == 0 or is_ours(path)):
        raise FileExistsError(
            f"{path} exists and has no mark of a file that binnet wrote; name another file, or let "
            "it be replaced (--force; in Python, overwrite=True)"
        )


def is_ours(path: str | os.PathLike[str]) -> bool:
    """Return whether binnet wrote a file, by the mark that each of its writers leaves.

    Arrays hold it in their header, JSON under a key "binnet", which may be one level down; NetCDF
    and NIR at their end, ONNX as producer, pictures among their metadata, other text in line 1.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(_PEEK)
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _PEEK))
            tail = file.read()
    except OSError:
        return False
    if head.lstrip()[:1] in (b"{", b"["):
        return size <= _LARGEST_JSON and _has_key(path)
    if head[8:].startswith(b'{"__metadata__":{"binnet":'):
        return True
    if head[2:].startswith(b"\x12\x06binnet"):  # of the protocol buffer that ONNX is
        return True
    mark = MARK.encode()
    if head.startswith(b"\x89HDF"):
        return _SIGNATURE.search(tail) is not None
    if head.startswith((b"\x89PNG", b"%PDF", b"<?xml")):
        return mark in head or mark in tail
    return mark in head.partition(b"\n")[0]


def _has_key(path: str | os.PathLike[str]) -> bool:
    try:
        content = json.loads(Path(path).read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    parts = [content, *(content.values() if isinstance(content, dict) else content)]
    return any(isinstance(part, dict) and "binnet" in part for part in parts)


def name_temporary(path: Path) -> Path:
    """Return a name beside `path` to write under, from which `remove_leftovers` knows the writer.

    The suffix stays, since some writers look at it.
    """
    mine = f".binnet-{_hash_host()}-{os.getpid()}-{secrets.token_hex(4)}"
    return path.with_name(mine + path.suffix)


@cache
def _hash_host() -> str:
    """Return a short name of this machine: on a shared disk others' processes are not known."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def remove_leftovers(folder: str | os.PathLike[str]) -> None:
    """Remove what processes of this machine that were killed left half written in a folder."""
    for path in Path(folder).glob(".binnet-*"):
        match = _TEMPORARY.fullmatch(path.name)
        if match is None or match[1] != _hash_host() or _is_alive(int(match[2]), path):
            continue
        with suppress(OSError):  # of another user, or another process was quicker
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def _is_alive(pid: int, path: Path) -> bool:
    if os.name == "nt":  # there os.kill ends the process; no file takes a day to write
        return time.time() - path.stat().st_mtime < _DAY
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # a process of another user
        return True
    return True


@contextmanager
def atomic_path(path: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary path; rename it on success to `path`, remove it on failure.

    The bytes are copied to a device or a pipe instead. `overwrite` says that a file may be
    replaced that binnet did not write.
    """
    final, in_place = _find_target(Path(path), overwrite)
    if in_place:
        with tempfile.TemporaryDirectory() as folder:
            temporary = Path(folder) / f"output{final.suffix}"
            yield temporary
            with temporary.open("rb") as source, final.open("wb") as sink:
                shutil.copyfileobj(source, sink)
        return
    temporary = name_temporary(final)
    try:
        yield temporary
        with temporary.open("rb+") as handle:
            os.fsync(handle.fileno())  # else a power cut could leave the new name on an empty file
        os.replace(temporary, final)
    finally:
        temporary.unlink(missing_ok=True)


def name_beside(path: Path, suffix: str) -> Path:
    """Return the file of the same name with another suffix; what would be beside a device is lost.

    So nothing lands in /dev where somebody wants to keep nothing.
    """
    return path.with_suffix(suffix) if path.is_file() or not path.exists() else Path(os.devnull)


def sign(path: str | os.PathLike[str]) -> None:
    """Append the mark and a digest of all before it to a file whose readers ignore what follows.

    Those of HDF5 do: NetCDF and NIR.
    """
    with open(path, "rb+") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0, os.SEEK_END)
        file.write(f"\n{make_mark()}, sha256 {digest}\n".encode())


def check_signature(path: Path) -> bool:
    """Refuse a file that was signed and is damaged; return whether it was, that is, is ours.

    It comes before a library reads the file, which may hang on a damaged one.
    """
    if path.stat().st_size == 0:
        return False
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        match = _SIGNATURE.search(content, max(0, len(content) - _PEEK))
        if match is None:
            if content[:4] == b"\x89HDF" and content.find(MARK.encode()) >= 0:
                check_digest(path, None, "that is missing")
            return False
        expected, end = match[1].decode(), match.start()
        with memoryview(content) as whole, whole[:end] as signed:
            found = hashlib.sha256(signed).hexdigest()
        check_digest(path, expected, found)
    return True


def write_netcdf(
    path: str | os.PathLike[str], dataset: xr.Dataset, *, overwrite: bool = False, **options: Any
) -> None:
    """Write a dataset as NetCDF, atomically; further options are those of its `to_netcdf`."""
    # Not the mark: what a user makes of the file and writes again has its attributes, too.
    marked = dataset.assign_attrs(binnet=get_version())
    with atomic_path(path, overwrite=overwrite) as temporary:
        marked.to_netcdf(temporary, engine="h5netcdf", **options)
        sign(temporary)


def write_json(path: str | os.PathLike[str], obj: object, *, overwrite: bool = False) -> None:
    """Write `obj` as indented UTF-8 JSON, atomically and with the same bytes on every system."""
    with atomic_path(path, overwrite=overwrite) as temporary:
        text = json.dumps(obj, indent=2, ensure_ascii=False) + "\n"
        # Names of files need not be UTF-8: what Python holds for such a byte is escaped.
        temporary.write_bytes(text.encode("utf-8", "backslashreplace"))
