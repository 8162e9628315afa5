"""Files of named arrays with plain values beside them: safetensors, which cannot run code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from binnet._files import atomic_path
from binnet._provenance import get_version


def write_tensors(
    path: str | Path,
    form: str,
    tensors: Mapping[str, Any],
    info: Mapping[str, Any],
    *,
    overwrite: bool = False,
) -> None:
    """Write contiguous arrays and plain values, atomically; `form` names what the file holds."""
    from safetensors.numpy import save

    record = json.dumps({"format": form, "binnet": get_version(), **info})
    with atomic_path(path, overwrite=overwrite) as temporary:
        # By way of bytes: a full disk is then an OSError, as for every other file.
        temporary.write_bytes(save(dict(tensors), {"binnet": record}))


def open_tensors(path: Path, missing: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return arrays and plain values of a file, the latter empty where `write_tensors` made none.

    `missing` is the error where there is no such file.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise FileNotFoundError(missing)
    try:
        with safe_open(path, "np") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(
            f"{path} is damaged or not a safetensors file ({error}); it was perhaps truncated "
            "while being copied: copy it again"
        ) from None
    try:
        info = json.loads(metadata["binnet"])
    except (KeyError, ValueError):
        info = None
    return tensors, info if isinstance(info, dict) else {}


def read_tensors(path: Path, form: str, kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what `write_tensors` wrote; `kind` says in errors what was looked for."""
    missing = f"there is no checkpoint {path}; name a file that training wrote"
    tensors, info = open_tensors(path, missing)
    if info.get("format") != form:
        raise ValueError(f"{path} is not a {kind} of this version of binnet (format {form})")
    return tensors, info
