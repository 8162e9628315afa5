"""Files that hold one network, in floating point or in integers, and nothing of its training."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from binnet._records import reading
from binnet._tensors import write_tensors
from binnet.hardware.files import load_quantized, open_network, save_quantized
from binnet.networks import BLOCKS, BinaryNetwork, QuantizedNetwork

_FORMAT = "binnet-network"
_SHAPE = ("self_coupling", "sizes", "excitation")


def save_network(
    path: str | Path, network: BinaryNetwork | QuantizedNetwork, *, overwrite: bool = False
) -> None:
    """Write a network, atomically.

    Parameters
    ----------
    path : path-like
        File to write, ending in .safetensors by convention.
    network : BinaryNetwork or QuantizedNetwork
        The network.
    overwrite : bool, default False
        Whether a file may be replaced that binnet did not write.
    """
    if isinstance(network, QuantizedNetwork):
        save_quantized(path, network, overwrite=overwrite)
        return
    tensors = {name: getattr(network, name) for name in BLOCKS}
    if network.connectivity is not None:
        tensors["connectivity"] = network.connectivity.astype(np.uint8)
    info = {name: getattr(network, name) for name in _SHAPE}
    if network.has_biases:
        info["has_biases"] = True
    write_tensors(path, _FORMAT, tensors, info, overwrite=overwrite)


def load_network(path: str | Path) -> BinaryNetwork | QuantizedNetwork:
    """Read a network.

    Parameters
    ----------
    path : path-like
        What `save_network` or `save_quantized` wrote.

    Returns
    -------
    BinaryNetwork or QuantizedNetwork
        The network.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is damaged or no network.
    """
    path = Path(path)
    tensors, info = open_network(path)
    if info.values.get("format") != _FORMAT:
        return load_quantized(path)  # or its reason why it is no such file
    if set(tensors) - {"connectivity"} != set(BLOCKS):
        raise ValueError(f"{path} must hold {', '.join(BLOCKS)}, got {', '.join(sorted(tensors))}")
    if "connectivity" in tensors:
        tensors["connectivity"] = tensors["connectivity"].astype(bool)
    with reading(path, "network"):
        shape = {name: info.per_module(name) for name in _SHAPE}
        shape["has_biases"] = info.values.get("has_biases") is True
        return BinaryNetwork(**tensors, **shape)
