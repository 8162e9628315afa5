"""Networks in integers as files: safetensors for the weights, JSON in its header for the rest."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from binnet._files import atomic_path
from binnet._provenance import get_version
from binnet.hardware.formats import QFormat
from binnet.hardware.network import BLOCKS, NetworkFormats, QuantizedNetwork

_FORMAT = "binnet-quantized-1"
SCALARS = ("self_coupling", "margin", "readout_margin")


def save_quantized(path: str | Path, network: QuantizedNetwork) -> None:
    """Write a network in integers, atomically.

    Parameters
    ----------
    path : path-like
        File to write, ending in .safetensors by convention.
    network : QuantizedNetwork
        The network.
    """
    from safetensors.numpy import save

    info = {
        "format": _FORMAT,
        "binnet": get_version(),
        "formats": dataclasses.asdict(network.formats),
        **{name: getattr(network, name) for name in SCALARS},
    }
    tensors = {name: getattr(network, name) for name in BLOCKS}
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(tensors, {"binnet": json.dumps(info)}))


def load_quantized(path: str | Path) -> QuantizedNetwork:
    """Read a network in integers.

    Parameters
    ----------
    path : path-like
        What `save_quantized` wrote.

    Returns
    -------
    QuantizedNetwork
        The network.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is damaged or not a network in integers.
    """
    tensors, metadata = read_tensors(path)
    try:
        info: dict[str, Any] = json.loads(metadata["binnet"])
        known = info["format"] == _FORMAT
    except (KeyError, TypeError, ValueError):
        known = False
    if not known or set(tensors) != set(BLOCKS):
        raise ValueError(
            f"{path} is not a network in integers of this version of binnet (format {_FORMAT}); "
            "`binnet quantize` writes them"
        )
    formats = formats_from_dict(info["formats"])
    return QuantizedNetwork(**tensors, formats=formats, **{name: info[name] for name in SCALARS})


def read_tensors(path: str | Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Read a safetensors file.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    tensors : dict of str to ndarray
        The tensors.
    metadata : dict of str to str
        What its header says besides.
    """
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise FileNotFoundError(
            f"there is no file {path}; name one that `binnet quantize` or `binnet import` wrote"
        )
    try:
        with safe_open(path, "np") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return tensors, file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(
            f"{path} is damaged or not a safetensors file ({error}); copy it again"
        ) from None


def formats_from_dict(tables: dict[str, dict[str, int]]) -> NetworkFormats:
    """Read what ``dataclasses.asdict`` makes of formats.

    Parameters
    ----------
    tables : dict of str to dict
        Bits and fraction bits of each block.

    Returns
    -------
    NetworkFormats
        The formats.
    """
    return NetworkFormats(**{name: QFormat(**tables[name]) for name in BLOCKS})
