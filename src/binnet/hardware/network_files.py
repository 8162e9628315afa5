"""Files that hold one network, in floating point or in integers, and nothing of its training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from binnet._records import reading
from binnet._tensors import write_tensors
from binnet.hardware.files import load_quantized, open_network, save_quantized
from binnet.hardware.learning_image import LearningImage
from binnet.networks import BLOCKS, BinaryNetwork, QuantizedNetwork
from binnet.networks.sparse import from_tensors, is_sparse, to_tensors

_FORMAT = "binnet-network"
_SHAPE = ("self_coupling", "sizes", "excitation")


def save_network(
    path: str | Path,
    network: BinaryNetwork | QuantizedNetwork,
    *,
    overwrite: bool = False,
    learning: LearningImage | None = None,
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
    learning : LearningImage, optional
        What learning goes on from, kept beside a network in integers. Default: nothing.
    """
    if isinstance(network, QuantizedNetwork):
        save_quantized(path, network, overwrite=overwrite, learning=learning)
        return
    tensors: dict[str, Any] = {}
    for name in BLOCKS:
        tensors |= to_tensors(name, getattr(network, name))
    if network.connectivity is not None:
        tensors["connectivity"] = network.connectivity.astype(np.uint8)
    info: dict[str, Any] = {name: getattr(network, name) for name in _SHAPE}
    if is_sparse(network.input_weights):
        info["n_columns"] = network.input_weights.shape[1]
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
    found = {name.partition(".")[0] for name in tensors}  # sparse weights have several tensors
    if found - {"connectivity"} != set(BLOCKS):
        raise ValueError(f"{path} must hold {', '.join(BLOCKS)}, got {', '.join(sorted(tensors))}")
    connectivity = tensors.get("connectivity")
    with reading(path, "network"):
        shape = {name: info.per_module(name) for name in _SHAPE}
        shape["has_biases"] = info.values.get("has_biases") is True
        n_columns = dict.fromkeys(BLOCKS, tensors["readout"].shape[-1])
        if "input_weights" not in tensors:
            n_columns["input_weights"] = info.integer("n_columns", 1)
        blocks: dict[str, Any] = {
            name: from_tensors(name, tensors, n_columns[name]) for name in BLOCKS
        }
        return BinaryNetwork(
            **blocks,
            connectivity=None if connectivity is None else connectivity.astype(bool),
            **shape,
        )
