"""Networks in integers as files: safetensors for the weights, JSON in its header for the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from binnet._records import Record, reading
from binnet._tensors import open_tensors, write_tensors
from binnet.networks import BLOCKS, QuantizedNetwork
from binnet.networks.formats import read_formats
from binnet.networks.quantised import SCALARS

_FORMAT = "binnet-quantized"


def save_quantized(path: str | Path, network: QuantizedNetwork, *, overwrite: bool = False) -> None:
    """Write a network in integers, atomically.

    Parameters
    ----------
    path : path-like
        File to write, ending in .safetensors by convention.
    network : QuantizedNetwork
        The network.
    overwrite : bool, default False
        Whether a file may be replaced that binnet did not write.
    """
    network.refuse_structure("a file of integers")
    info = {
        "formats": network.formats.to_dict(),
        **{name: getattr(network, name) for name in SCALARS},
    }
    tensors = {name: getattr(network, name) for name in BLOCKS}
    write_tensors(path, _FORMAT, tensors, info, overwrite=overwrite)


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
    path = Path(path)
    tensors, info = open_network(path)
    if info.values.get("format") != _FORMAT or set(tensors) != set(BLOCKS):
        raise ValueError(
            f"{path} is not a network in integers of this version of binnet (format {_FORMAT}); "
            "`binnet quantize` writes them"
        )
    with reading(path, "network in integers"):
        formats = read_formats(info.table("formats"))
        scalars: dict[str, Any] = {name: info.integer(name, -(2**31)) for name in SCALARS}
        return QuantizedNetwork(**tensors, formats=formats, **scalars)


def open_network(path: str | Path) -> tuple[dict[str, Any], Record]:
    """Read the arrays and values of a file that may hold a network.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    tensors : dict of str to ndarray
        The arrays.
    info : Record
        What its header says besides; empty if it is not one of ours.
    """
    missing = f"there is no file {path}; name one that `binnet quantize` or `binnet import` wrote"
    return open_tensors(Path(path), missing)
