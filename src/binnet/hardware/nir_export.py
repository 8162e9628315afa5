"""Networks as graphs of the Neuromorphic Intermediate Representation (NIR).

NIR's ``Threshold`` emits 0 or 1, and 1 only strictly above its threshold; our spins are -1 and +1
with sign(0) = +1. So a graph works on the bits u = (1 + s) / 2, in fields that are half of ours::

    h_i / 2 = (sum_j J_ij u_j + J_D u_i - sum_j J_ij / 2 - J_D / 2)      node "couplings"
              + (sum_n W_in[i, n] u_n - sum_n W_in[i, n] / 2)            node "input_weights"

with thresholds a hair below 0; an input is u = (1 + x) / 2 also where x is graded, in integers the
integer of its format. The weights are untouched; the sums over them are the biases. A tool that
runs Affine and Threshold nodes as NIR defines them then runs the network, one pass around the
recurrent edge per sweep: integers exactly, real numbers up to the rounding of its sums. Few tools
do; `binnet.hardware.nir_forms` has forms that others run, and docs/interchange.md the table of what
was run in which.

The module needs the extra "hardware" (nir).
"""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

try:
    import h5py
    import nir
except ImportError:
    raise ImportError("NIR files need the package nir; pip install 'binnet[hardware]'") from None

from binnet._files import atomic_path, make_mark, sign
from binnet._validation import check_choice, check_integer
from binnet.hardware.nir_forms import FORMS, to_form
from binnet.networks import BLOCKS, BinaryNetwork, QuantizedNetwork

FORMAT = "binnet-nir-1"
DTYPES = ("native", "float32")
EDGES = (
    ("input", "input_weights"),
    ("input_weights", "spins"),
    ("spins", "couplings"),
    ("couplings", "spins"),
    ("spins", "readout"),
    ("readout", "output"),
)
_CONVENTIONS = {
    "spin_coding": "1 is +1, 0 is -1, also of the input: s = 2 u - 1",
    "threshold_convention": "sign(0) = +1: a spin is +1 where its field is >= 0",
    "fields": "half of binnet's, in units of `scale`",
    "initial_state": "silent: nothing comes from the couplings in the first sweep",
    "update": "synchronous: one pass around the recurrent edge is a sweep",
}
_GRADED = "u = (1 + n) / 2 with the integer n = x * 2**input_fraction_bits"
# Fields of integers are multiples of 1/2: any number between -1/2 and 0 tells h >= 0 from h < 0.
_INTEGER_THRESHOLD = -0.25


def to_nir(
    network: BinaryNetwork | QuantizedNetwork,
    *,
    form: str = "threshold",
    dtype: str = "native",
    sweeps: int = 10,
) -> nir.NIRGraph:
    """Return the inference of a network as a NIR graph.

    ``input -> input_weights -> spins -> readout -> output`` with ``spins -> couplings -> spins``;
    the self-coupling is on the diagonal of the couplings. Integer weights are shifted to the
    accumulator, so that the two sums have one scale; dtype, bits, fraction bits, shift and scale
    are in the metadata of each node. W_back, which inference does not use, is in the graph's.

    Parameters
    ----------
    network : BinaryNetwork or QuantizedNetwork
        The network.
    form : {"threshold", "lif", "unrolled"}, default "threshold"
        ``threshold``: Affine and Threshold nodes. ``lif``: LIF neurons that forget within a time
        step, and no biases but one more input, always 1. ``unrolled``: the same without the
        recurrent edge, a pass is `sweeps` sweeps. See `binnet.hardware.nir_forms`.
    dtype : {"native", "float32"}, default "native"
        Of the weights of the form ``threshold``: as in the network (integers in the narrowest type
        that holds them), or float32. Integers stay integers, times nothing: their scale is in the
        metadata. The other forms are float32.
    sweeps : int, default 10
        Sweeps of the form ``unrolled``, 2 or more.

    Returns
    -------
    nir.NIRGraph
        The graph.

    Raises
    ------
    ValueError
        If a choice is none of the above, or integer sums are too large for the float32 of a form.
    """
    check_choice("form", form, FORMS)
    check_choice("dtype", dtype, DTYPES)
    if form == "unrolled":
        check_integer("sweeps", sweeps, 2, 1000)
    graph = _to_threshold_graph(network)
    if form != "threshold":
        return to_form(graph, form, sweeps)
    if dtype == "float32":
        _to_float32(graph)
    return graph


def _to_threshold_graph(network: BinaryNetwork | QuantizedNetwork) -> nir.NIRGraph:
    if isinstance(network, BinaryNetwork):
        network.refuse_modules("a NIR graph")
        network = network.to_dense()
    else:
        network.refuse_structure("a NIR graph")
    metadata: dict[str, Any] = {"format": FORMAT, **_CONVENTIONS, "feedback": network.feedback}
    metadata["self_coupling"] = network.self_coupling
    couplings, input_weights, readout = network.couplings, network.input_weights, network.readout
    notes: dict[str, dict[str, Any]]
    if isinstance(network, QuantizedNetwork):
        formats = network.formats
        shifts = {"couplings": formats.coupling_shift, "input_weights": formats.input_shift}
        notes = {
            name: {
                "dtype": format.dtype.name,
                "bits": format.bits,
                "fraction_bits": format.fraction_bits,
                "shift": shifts.get(name, 0),
                "scale": 2.0 ** -(format.fraction_bits + shifts.get(name, 0)),
            }
            for name, format in ((name, getattr(formats, name)) for name in BLOCKS)
        }
        if formats.inputs.bits > 1:
            notes["input_weights"]["scale"] *= 2.0**-formats.inputs.fraction_bits
            metadata["input_coding"] = _GRADED
            metadata |= {
                f"input_{name}": value for name, value in dataclasses.asdict(formats.inputs).items()
            }
        feedback_notes = notes.pop("feedback")
        metadata |= {
            "arithmetic": "integer",
            "feedback_bits": feedback_notes["bits"],
            "feedback_fraction_bits": feedback_notes["fraction_bits"],
            "margin": network.margin,
            "readout_margin": network.readout_margin,
        }
        couplings = couplings.astype(np.int64) << formats.coupling_shift
        np.fill_diagonal(couplings, network.self_coupling)
        couplings = _narrow(couplings)
        input_weights = _narrow(input_weights.astype(np.int64) << formats.input_shift)
        threshold = _INTEGER_THRESHOLD
    else:
        metadata["arithmetic"] = network.dtype.name
        notes = {name: {"scale": 1.0} for name in BLOCKS}
        couplings = couplings.copy()
        np.fill_diagonal(couplings, network.self_coupling)
        # The smallest number that no hardware rounds to 0; only a field of exactly 0 is above it.
        threshold = -float(np.finfo(network.dtype).smallest_normal)
    return nir.NIRGraph(
        nodes={
            "input": nir.Input(np.array([network.n_inputs])),
            "input_weights": _affine(input_weights, notes["input_weights"]),
            "spins": nir.Threshold(np.full(network.n_neurons, threshold)),
            "couplings": _affine(couplings, notes["couplings"]),
            "readout": _affine(readout, notes["readout"]),
            "output": nir.Output(np.array([network.n_outputs])),
        },
        edges=list(EDGES),
        metadata=metadata,
    )


def write_nir(
    path: str | os.PathLike[str],
    network: BinaryNetwork | QuantizedNetwork,
    *,
    overwrite: bool = False,
    form: str = "threshold",
    dtype: str = "native",
    sweeps: int = 10,
) -> nir.NIRGraph:
    """Write a network as a NIR file, atomically.

    Parameters
    ----------
    path : path-like
        File to write, ending in .nir by convention.
    network : BinaryNetwork or QuantizedNetwork
        The network.
    overwrite : bool, default False
        Whether a file may be replaced that binnet did not write.
    form, dtype, sweeps : str, str, int
        As in `to_nir`.

    Returns
    -------
    nir.NIRGraph
        The graph that was written.
    """
    graph = to_nir(network, form=form, dtype=dtype, sweeps=sweeps)
    with atomic_path(path, overwrite=overwrite) as temporary:
        nir.write(temporary, graph)
        with h5py.File(temporary, "r+") as file:
            file.attrs["binnet"] = make_mark()
            for node in file["node/nodes"].values():
                # nir up to 1.0.4 refuses what later versions take for 0 where it is not there.
                if "v_reset" in node:
                    del node["v_reset"]
        sign(temporary)
    return graph


def _affine(weight: NDArray[Any], metadata: dict[str, Any]) -> nir.Affine:
    bias = -weight.sum(axis=1, dtype=np.float64) / 2
    return nir.Affine(np.ascontiguousarray(weight), bias, metadata=metadata)


def _to_float32(graph: nir.NIRGraph) -> None:
    """Turn all numbers of a graph into float32, if that loses none of its integers."""
    for name in BLOCKS[:3]:
        node = graph.nodes[name]
        exact, node.weight = node.weight, node.weight.astype(np.float32)
        if exact.dtype.kind == "i" and (node.weight != exact).any():
            raise ValueError(
                f"{name} has weights beyond the {2**24} that float32 holds exactly; choose fewer "
                "bits, or the dtype 'native'"
            )
        node.bias = node.bias.astype(np.float32)
    spins = graph.nodes["spins"]
    smallest = np.finfo(np.float32).smallest_normal
    spins.threshold = np.minimum(spins.threshold, -smallest).astype(np.float32)


def _narrow(integers: NDArray[np.int64]) -> NDArray[Any]:
    """Return integers in the narrowest dtype that holds them."""
    limit = int(np.abs(integers).max(initial=0))
    for dtype in (np.int8, np.int16, np.int32):
        if limit <= np.iinfo(dtype).max:
            return integers.astype(dtype)
    return integers
