"""Files that are never half written.

A file is written under a temporary name in the same folder and renamed when it is complete, so
that a crash leaves either the old file or the new one.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it on success, remove it on failure."""
    final = Path(path)
    check_folder(final)
    # The random part keeps two writers apart; the suffix stays, since some writers look at it.
    temporary = final.with_name(f".{secrets.token_hex(4)}.{final.name}")
    try:
        yield temporary
        with temporary.open("rb+") as handle:
            os.fsync(handle.fileno())  # else a power cut could leave the new name on an empty file
        os.replace(temporary, final)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: str | os.PathLike[str], obj: object) -> None:
    """Write `obj` as indented UTF-8 JSON, atomically and with the same bytes on every system."""
    with atomic_path(path) as temporary:
        text = json.dumps(obj, indent=2, ensure_ascii=False) + "\n"
        temporary.write_bytes(text.encode("utf-8"))
