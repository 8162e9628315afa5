"""Files that hold one network, in floating point or in integers, and nothing of its training."""

from __future__ import annotations

import json
from pathlib import Path

from binnet._files import atomic_path
from binnet._provenance import get_version
from binnet.hardware.files import load_quantized, read_tensors, save_quantized
from binnet.hardware.network import BLOCKS, QuantizedNetwork
from binnet.networks import BinaryNetwork

_FORMAT = "binnet-network-1"


def save_network(path: str | Path, network: BinaryNetwork | QuantizedNetwork) -> None:
    """Write a network, atomically.

    Parameters
    ----------
    path : path-like
        File to write, ending in .safetensors by convention.
    network : BinaryNetwork or QuantizedNetwork
        The network.
    """
    from safetensors.numpy import save

    if isinstance(network, QuantizedNetwork):
        save_quantized(path, network)
        return
    info = {
        "format": _FORMAT,
        "binnet": get_version(),
        "self_coupling": network.self_coupling,
    }
    tensors = {name: getattr(network, name) for name in BLOCKS}
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(tensors, {"binnet": json.dumps(info)}))


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
    tensors, metadata = read_tensors(path)
    try:
        info = json.loads(metadata["binnet"])
    except (KeyError, ValueError):
        info = None
    if not isinstance(info, dict) or info.get("format") != _FORMAT:
        return load_quantized(path)  # or its reason why it is no such file
    if set(tensors) != set(BLOCKS):
        raise ValueError(f"{path} must hold {', '.join(BLOCKS)}, got {', '.join(sorted(tensors))}")
    return BinaryNetwork(**tensors, self_coupling=info["self_coupling"])
