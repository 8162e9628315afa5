"""Networks in integers as files: safetensors for the weights, JSON in its header for the rest."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from binnet._records import Record, reading
from binnet._tensors import open_tensors, write_tensors
from binnet.hardware.learning_image import LearningImage, read_format
from binnet.networks import BLOCKS, QuantizedNetwork
from binnet.networks.formats import read_formats
from binnet.networks.quantised import SCALARS

_FORMAT = "binnet-quantized"
_LATENT, _REGISTERS = "latent_", "registers"  # tensors; of the former, before the block's name


def save_quantized(
    path: str | Path,
    network: QuantizedNetwork,
    *,
    overwrite: bool = False,
    learning: LearningImage | None = None,
) -> None:
    """Write a network in integers, atomically.

    Parameters
    ----------
    path : path-like
        File to write, ending in .safetensors by convention.
    network : QuantizedNetwork
        The network.
    overwrite : bool, default False
        Whether a file may be replaced that binnet did not write.
    learning : LearningImage, optional
        What learning goes on from, which is kept beside the network. Default: nothing.
    """
    network.refuse_structure("a file of integers")
    info: dict[str, Any] = {
        "formats": network.formats.to_dict(),
        **{name: getattr(network, name) for name in SCALARS},
    }
    tensors = {name: getattr(network, name) for name in BLOCKS}
    if learning is not None:
        learning.check(network)
        tensors |= {f"{_LATENT}{name}": block for name, block in learning.latent.items()}
        if learning.registers is not None:
            tensors[_REGISTERS] = learning.registers
        formats = {name: asdict(format) for name, format in learning.formats.items()}
        info["learning"] = {"latent": formats, "constants": dict(learning.constants)}
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
    others = {_REGISTERS, *(f"{_LATENT}{name}" for name in BLOCKS)}
    if info.values.get("format") != _FORMAT or set(tensors) - others != set(BLOCKS):
        raise ValueError(
            f"{path} is not a network in integers of this version of binnet (format {_FORMAT}); "
            "`binnet quantize` writes them"
        )
    with reading(path, "network in integers"):
        formats = read_formats(info.table("formats"))
        scalars: dict[str, Any] = {name: info.integer(name, -(2**31)) for name in SCALARS}
        blocks: dict[str, Any] = {name: tensors[name] for name in BLOCKS}
        return QuantizedNetwork(**blocks, formats=formats, **scalars)


def load_learning(path: str | Path) -> LearningImage | None:
    """Read what learning goes on from, as it stands in a file of a network.

    Parameters
    ----------
    path : path-like
        What `save_quantized` wrote.

    Returns
    -------
    LearningImage or None
        Latent weights, registers and constants; None where the file has a network alone.

    Raises
    ------
    FileNotFoundError, ValueError
        As for `load_quantized`.
    """
    path = Path(path)
    network = load_quantized(path)
    tensors, info = open_network(path)
    if "learning" not in info.values:
        return None
    with reading(path, "network in integers"):
        table = info.table("learning")
        entries = table.table("latent")
        formats = {name: read_format(entries.table(name)) for name in entries.values}
        learning = LearningImage(
            {name: tensors[f"{_LATENT}{name}"] for name in formats},
            formats,
            np.asarray(tensors[_REGISTERS], np.uint16) if _REGISTERS in tensors else None,
            table.table("constants").values,
        )
        learning.check(network)
        return learning


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
