"""Networks from graphs of the Neuromorphic Intermediate Representation (NIR).

What a graph must look like, and why, is told in `binnet.hardware.nir_export`; graphs of the forms
of `binnet.hardware.nir_forms` are turned into that one first. The module needs the
extra "hardware" (nir).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

try:
    import h5py
    import nir
except ImportError:
    raise ImportError("NIR files need the package nir; pip install 'binnet[hardware]'") from None

from binnet._files import check_signature
from binnet._records import reading
from binnet._validation import check_integer, check_real
from binnet.hardware._hdf5 import find_arrays, try_reading
from binnet.hardware.nir_export import EDGES, FORMAT
from binnet.hardware.nir_forms import from_form
from binnet.networks import BinaryNetwork, InputFormat, NetworkFormats, QFormat, QuantizedNetwork
from binnet.networks.formats import FRACTION_BITS

_LARGEST_SHIFT = FRACTION_BITS[1] - FRACTION_BITS[0]
_SUPPORTED = ("Input", "Affine", "Threshold", "Output")
_IN_FORMS = ("LIF",)


def read_nir(path: str | os.PathLike[str]) -> BinaryNetwork | QuantizedNetwork:
    """Read a network from a NIR file.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    BinaryNetwork or QuantizedNetwork
        The network, identical to the one that `write_nir` wrote.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no NIR file, or not of a binary recurrent network (see `from_nir`).
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no NIR file {path}")
    if not check_signature(path):
        try_reading(path)
    with reading(path, "NIR file"):
        _check_file(path)
    with reading(path, "valid NIR graph"):
        graph = nir.read(path)
    with reading(path, "binary recurrent network"):
        return from_nir(graph)


def from_nir(graph: nir.NIRGraph) -> BinaryNetwork | QuantizedNetwork:
    """Read a network from a NIR graph.

    Graphs of `to_nir` come back identical, of each form; float64 weights as the float32 that they
    were written as. Others are taken if they have the shape of the form ``threshold`` and compute
    on bits with the same threshold convention; their W_back is 0.

    Parameters
    ----------
    graph : nir.NIRGraph
        The graph.

    Returns
    -------
    BinaryNetwork or QuantizedNetwork
        The network, in the arithmetic of the graph.

    Raises
    ------
    ValueError
        If the graph has nodes, edges, thresholds, biases or self-couplings that a binary recurrent
        network does not have; the message names the node and the reason.
    """
    metadata = graph.metadata
    form = metadata.get("format", FORMAT)
    if not isinstance(form, str) or form != FORMAT:
        raise ValueError(
            f"the graph has the format {form!r}, this version of binnet reads {FORMAT}"
        )
    if "form" in metadata:
        graph = from_form(graph)
        metadata = graph.metadata
    names = _assign_roles(graph)
    blocks = {role: graph.nodes[names[role]] for role in ("couplings", "input_weights", "readout")}
    weights = {role: np.asarray(node.weight) for role, node in blocks.items()}
    _check_shapes(names, weights)
    _check_ends(graph, names, weights)
    if metadata.get("arithmetic") == "integer":
        weights = {role: _to_integers(names[role], array) for role, array in weights.items()}
    kinds = {array.dtype.kind for array in weights.values()}
    if kinds not in ({"i"}, {"f"}):
        raise ValueError(
            "the weights of the Affine nodes must be all floating-point or all integers, got "
            + ", ".join(f"{names[role]}: {array.dtype}" for role, array in weights.items())
        )
    integer = kinds == {"i"}
    _check_thresholds(graph, names, blocks, integer)
    diagonal = np.diagonal(weights["couplings"]).copy()
    if (diagonal != diagonal[0]).any() or diagonal[0] < 0:
        raise ValueError(
            f"node {names['couplings']!r} must have one self-coupling >= 0 all along its diagonal, "
            f"got {diagonal.min()} to {diagonal.max()}"
        )
    weights["couplings"] = weights["couplings"].copy()
    np.fill_diagonal(weights["couplings"], 0)
    self_coupling = _entry(metadata, "self_coupling", diagonal[0].item())
    wanted = check_real("self_coupling in the metadata", self_coupling)
    if (wanted if integer else diagonal.dtype.type(wanted)) != diagonal[0]:
        raise ValueError(
            f"the metadata say self_coupling = {self_coupling}, but node {names['couplings']!r} "
            f"has {diagonal[0]} on its diagonal"
        )
    if integer:
        return _to_quantized(metadata, names, blocks, weights, self_coupling)
    dtype = np.result_type(*weights.values())
    n_hidden, n_outputs = len(diagonal), len(weights["readout"])
    feedback = _take_feedback(metadata, "f", np.zeros((n_hidden, n_outputs)))
    return BinaryNetwork(
        couplings=weights["couplings"].astype(dtype),
        input_weights=weights["input_weights"].astype(dtype),
        readout=weights["readout"].astype(dtype),
        feedback=feedback.astype(dtype),
        self_coupling=float(self_coupling),
    )


def _check_file(path: Path) -> None:
    """Say which node is unsupported or has no shape, for which nir.read has no message."""
    with h5py.File(path, "r") as file:
        find_arrays(path, file)
        entries = {
            name: (node["type"][()].decode("utf8"), set(node.keys()))
            for name, node in file["node/nodes"].items()
        }
        has_form = "form" in file.get("node/metadata", ())
    for name, (kind, keys) in entries.items():
        if kind not in _IN_FORMS or not has_form:
            _check_kind(name, kind)
        if kind in ("Input", "Output") and "shape" not in keys:
            raise ValueError(
                f"{path}: node {name!r} ({kind}) has no shape; write it with the number of its "
                "neurons"
            )


def _check_kind(name: str, kind: str) -> None:
    if kind not in _SUPPORTED:
        raise ValueError(
            f"node {name!r} is a {kind}, which a binary recurrent network has no place for; "
            f"supported are {', '.join(_SUPPORTED)}"
        )


def _assign_roles(graph: nir.NIRGraph) -> dict[str, str]:
    """Return the name of the node in each role of `EDGES`, whatever the graph calls them."""
    kinds: dict[str, list[str]] = {kind: [] for kind in _SUPPORTED}
    for name, node in graph.nodes.items():
        _check_kind(name, type(node).__name__)
        kinds[type(node).__name__].append(name)
    for kind, count in (("Input", 1), ("Threshold", 1), ("Output", 1), ("Affine", 3)):
        if len(kinds[kind]) != count:
            raise ValueError(
                f"the graph must have {count} {kind} node{'s' * (count > 1)}, got "
                f"{len(kinds[kind])}"
            )
    names = {"input": kinds["Input"][0], "spins": kinds["Threshold"][0]}
    names["output"] = kinds["Output"][0]
    edges = {(str(source), str(target)) for source, target in graph.edges}
    for affine in kinds["Affine"]:
        source = next((a for a, b in edges if b == affine), None)
        target = next((b for a, b in edges if a == affine), None)
        for role, ends in (
            ("input_weights", (names["input"], names["spins"])),
            ("couplings", (names["spins"], names["spins"])),
            ("readout", (names["spins"], names["output"])),
        ):
            if (source, target) == ends:
                names[role] = affine
    wanted = {(names.get(a), names.get(b)) for a, b in EDGES}
    if edges != wanted:
        raise ValueError(
            "the edges must be input -> Affine -> Threshold -> Affine -> output, and Threshold -> "
            f"Affine -> Threshold, got {sorted(edges)}"
        )
    return names


def _check_shapes(names: dict[str, str], weights: dict[str, NDArray[Any]]) -> None:
    """Refuse weights that are no matrices, or not of one number of neurons."""
    for role, array in weights.items():
        if array.ndim != 2 or array.size == 0:
            raise ValueError(
                f"node {names[role]!r} must have a matrix of weights, got shape {array.shape}"
            )
    n_hidden = len(weights["couplings"])
    found = (*weights["couplings"].shape, len(weights["input_weights"]))
    if {*found, weights["readout"].shape[1]} != {n_hidden}:
        shapes = ", ".join(f"{names[role]}: {array.shape}" for role, array in weights.items())
        raise ValueError(f"the weights must be of one number of hidden neurons, got {shapes}")


def _check_ends(
    graph: nir.NIRGraph, names: dict[str, str], weights: dict[str, NDArray[Any]]
) -> None:
    """Refuse an input or output of another size than its weights, which nir 1.0.4 lets pass."""
    sizes = {"input": weights["input_weights"].shape[1], "output": len(weights["readout"])}
    for end, size in sizes.items():
        (found,) = graph.nodes[names[end]].input_type.values()  # under a key of each version's own
        shape = np.asarray(found).tolist()
        if shape != [size]:
            raise ValueError(
                f"mismatch: node {names[end]!r} has the shape {shape}, its weights [{size}]"
            )


def _to_integers(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """Return integer weights that were written as floats."""
    if array.dtype.kind != "f":
        return array
    with np.errstate(invalid="ignore"):
        integers = array.astype(np.int32)
    if (integers != array).any():
        raise ValueError(
            f"the metadata say that weights are integers, but node {name!r} has others"
        )
    return integers


def _check_thresholds(
    graph: nir.NIRGraph, names: dict[str, str], blocks: dict[str, Any], integer: bool
) -> None:
    """Refuse thresholds and biases: a network of ±1 spins with sign(0) = +1 has none.

    On bits this means a bias of minus half the sum of a row, and a threshold that only a field of 0
    lies above.
    """
    thresholds = np.asarray(graph.nodes[names["spins"]].threshold)
    lowest = -0.5 if integer else -float(np.finfo(np.float32).smallest_normal)
    if not ((thresholds >= lowest) & (thresholds < 0)).all():
        raise ValueError(
            f"node {names['spins']!r} must have thresholds just below 0 ({lowest:g} to 0), so that "
            f"a spin is +1 at a field of 0, got {thresholds.min():g} to {thresholds.max():g}"
        )
    for role, node in blocks.items():
        weight, bias = np.asarray(node.weight, np.float64), np.asarray(node.bias, np.float64)
        wanted = -weight.sum(axis=1) / 2
        # Float weights may have been summed in another precision or order.
        tolerance = 0.0 if integer else 1e-5 * np.abs(weight).sum(axis=1)
        if bias.shape != wanted.shape or not (np.abs(bias - wanted) <= tolerance).all():
            raise ValueError(
                f"node {names[role]!r} must have biases of minus half the sum of each row of its "
                "weights: binnet's neurons have no bias, and this is what spins of -1 and +1 "
                "become on bits"
            )


def _to_quantized(
    metadata: dict[str, Any],
    names: dict[str, str],
    blocks: dict[str, Any],
    weights: dict[str, NDArray[Any]],
    self_coupling: int,
) -> QuantizedNetwork:
    """Shift integer weights back, and give them their formats."""
    formats: dict[str, Any] = {}
    integers: dict[str, Any] = {}
    for role, node in blocks.items():
        try:
            bits = (_take_integer(node.metadata, key) for key in ("bits", "fraction_bits"))
            formats[role] = QFormat(*bits)
            shift = _take_integer(node.metadata, "shift", 0, _LARGEST_SHIFT)
        except KeyError as error:
            raise ValueError(
                f"node {names[role]!r} has integer weights, but its metadata lack {error}"
            ) from None
        unshifted = weights[role].astype(np.int64) >> shift
        if ((unshifted << shift) != weights[role]).any():
            raise ValueError(
                f"node {names[role]!r} has weights that are no multiples of 2**{shift}"
            )
        integers[role] = _to_format(names[role], unshifted, formats[role])
    if "input_bits" in metadata:
        width, fraction = (
            _take_integer(metadata, f"input_{name}") for name in ("bits", "fraction_bits")
        )
        formats["inputs"] = InputFormat(width, fraction, bool(metadata.get("input_signed")))
    try:
        bits = (_take_integer(metadata, f"feedback_{name}") for name in ("bits", "fraction_bits"))
        formats["feedback"] = QFormat(*bits)
        feedback = _take_feedback(metadata, "iu")
        integers["feedback"] = _to_format("feedback", feedback, formats["feedback"])
        margin, readout_margin = (
            _take_integer(metadata, name) for name in ("margin", "readout_margin")
        )
    except KeyError as error:
        raise ValueError(f"the graph has integer weights, but its metadata lack {error}") from None
    return QuantizedNetwork(
        **integers,
        formats=NetworkFormats(**formats),
        self_coupling=int(self_coupling),
        margin=margin,
        readout_margin=readout_margin,
    )


def _to_format(name: str, integers: NDArray[Any], format: QFormat) -> NDArray[Any]:
    if integers.min(initial=0) < format.low or integers.max(initial=0) > format.high:
        raise ValueError(
            f"{name} must be within {format.low}..{format.high} of {format.bits} bits, got "
            f"{integers.min()} to {integers.max()}"
        )
    return integers.astype(format.dtype)


def _take_integer(
    metadata: dict[str, Any], name: str, low: int = -(2**31), high: int = 2**31 - 1
) -> int:
    value = metadata[name]
    value = value.item() if isinstance(value, np.generic) else value
    return check_integer(f"{name} in the metadata", value, low, high)


def _take_feedback(
    metadata: dict[str, Any], kinds: str, default: NDArray[Any] | None = None
) -> NDArray[Any]:
    found = metadata["feedback"] if default is None else metadata.get("feedback", default)
    array = np.asarray(found)
    if array.ndim != 2 or array.dtype.kind not in kinds:
        raise ValueError(
            f"feedback in the metadata must be a matrix of weights, got {array.dtype} of shape "
            f"{array.shape}"
        )
    return array


def _entry(metadata: dict[str, Any], name: str, default: Any) -> Any:
    value = metadata.get(name, default)
    return value.item() if isinstance(value, np.generic) else value
