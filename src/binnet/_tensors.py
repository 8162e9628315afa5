"""Files of named arrays with plain values beside them: safetensors, which cannot run code.

A digest of all that a file holds is among the values, and no file is read whose content is not that
of its digest. Files of format 1 are older and have none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from binnet._files import atomic_path
from binnet._provenance import get_version
from binnet._records import Record, check_digest, compute_digest, reading, warn_unchecked

_UNCHECKED, _CHECKED = "1", "2"


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

    values = {"format": f"{form}-{_CHECKED}", "binnet": get_version(), **info}
    values["sha256"] = compute_digest(values, tensors)
    with atomic_path(path, overwrite=overwrite) as temporary:
        # By way of bytes: a full disk is then an OSError, as for every other file.
        temporary.write_bytes(save(dict(tensors), {"binnet": json.dumps(values)}))


def open_tensors(path: Path, missing: str) -> tuple[dict[str, Any], Record]:
    """Return arrays and plain values of a file, the latter empty where `write_tensors` made none.

    Their field "format" is what `write_tensors` was told. `missing` is the error where there is no
    such file.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise FileNotFoundError(missing)
    with reading(path, "safetensors file"):
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
            values = json.loads(metadata["binnet"])
        except (KeyError, ValueError, RecursionError):
            values = None
        if not isinstance(values, dict):
            return tensors, Record(path, {})
        form, _, number = str(values.get("format")).rpartition("-")
        if "sha256" in values or number == _CHECKED:
            check_digest(path, values.get("sha256"), compute_digest(values, tensors))
        elif number == _UNCHECKED:
            warn_unchecked(path)
        return tensors, Record(path, {**values, "format": form})


def read_tensors(path: Path, form: str, kind: str) -> tuple[dict[str, Any], Record]:
    """Return what `write_tensors` wrote; `kind` says in errors what was looked for."""
    missing = f"there is no checkpoint {path}; name a file that training wrote"
    tensors, info = open_tensors(path, missing)
    if info.values.get("format") != form:
        raise ValueError(f"{path} is not a {kind} of this version of binnet (format {form})")
    return tensors, info
