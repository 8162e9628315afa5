"""Forms of a NIR graph that tools without ``Threshold`` nodes can run: ``lif`` and ``unrolled``.

Both are made of the form of `binnet.hardware.nir_export`, and read back into it. A spin is a
``LIF`` neuron whose time constant is one time step: its potential is what enters it in that step,
and nothing is left of the step before. Biases are where tools differ: some lose them, some add
those of the couplings already in the first sweep, before any spin is there. So these forms have
none. One more input, always 1, and one more neuron, which fires from the first sweep on, carry
them; in integers also 1/4, which moves the fields (halves of integers) away from the threshold of
1/16, so that it does not matter whether a tool compares with > or >=, nor whether a neuron that
has fired begins the next sweep at 0 or at minus its threshold. All weights are float32.

``lif`` has the recurrent edges; ``unrolled`` has none, but a copy of the couplings for each sweep
but the first.
"""

from __future__ import annotations

from typing import Any

import nir
import numpy as np
from numpy.typing import NDArray

FORMS = ("threshold", "lif", "unrolled")
# Seconds. What most tools take for a time step where none is given.
TIME_STEP = 1e-4
_OFFSET, _THRESHOLD = 0.25, 0.0625
# Sums of multiples of _OFFSET are exact in float32 up to here.
_LARGEST_SUM = 2.0**22


def to_form(graph: nir.NIRGraph, form: str, sweeps: int) -> nir.NIRGraph:
    """Return a graph of `to_nir` in another form.

    Parameters
    ----------
    graph : nir.NIRGraph
        A graph of Affine and Threshold nodes.
    form : {"lif", "unrolled"}
        The form.
    sweeps : int
        Sweeps of an unrolled graph.

    Returns
    -------
    nir.NIRGraph
        The graph.

    Raises
    ------
    ValueError
        If integer sums are too large for float32.
    """
    integer = graph.metadata["arithmetic"] == "integer"
    weights, offset, threshold = _extend(graph, integer)
    nodes: dict[str, Any] = {
        "input": nir.Input(np.array([weights["input_weights"].shape[1]])),
        "input_weights": _affine(graph, "input_weights", weights),
    }
    edges = [("input", "input_weights")]
    n_neurons = len(weights["couplings"])
    if form == "lif":
        nodes |= {"spins": _lif(n_neurons, threshold)}
        nodes |= {"couplings": _affine(graph, "couplings", weights)}
        edges += [("input_weights", "spins"), ("spins", "couplings"), ("couplings", "spins")]
        last = "spins"
    else:
        for t in range(1, sweeps + 1):
            last = f"spins_{t}"
            if t > 1:
                nodes[f"couplings_{t}"] = _affine(graph, "couplings", weights)
                edges += [(f"spins_{t - 1}", f"couplings_{t}"), (f"couplings_{t}", last)]
            nodes[last] = _lif(n_neurons, threshold)
            edges.append(("input_weights", last))
    nodes["readout"] = _affine(graph, "readout", weights)
    nodes["output"] = nir.Output(np.array([len(weights["readout"])]))
    edges += [(last, "readout"), ("readout", "output")]
    metadata = dict(graph.metadata) | {
        "form": form,
        "constant_input": "the last input is 1; the last neuron always fires",
        "field_offset": offset,
        "time_step": TIME_STEP,
    }
    if form == "unrolled":
        metadata["sweeps"] = sweeps
    return nir.NIRGraph(nodes=nodes, edges=edges, metadata=metadata)


def from_form(graph: nir.NIRGraph) -> nir.NIRGraph:
    """Return a graph of `to_form` in the form of Affine and Threshold nodes.

    Parameters
    ----------
    graph : nir.NIRGraph
        A graph of either form, with the metadata that `to_form` gives it.

    Returns
    -------
    nir.NIRGraph
        The graph; of integers with weights that are still floats.

    Raises
    ------
    ValueError
        If the graph is not what `to_form` makes of it, or has been unrolled to a single sweep.
    """
    metadata = dict(graph.metadata)
    form = metadata.pop("form")
    sweeps = _count_sweeps(metadata, form)
    first = "couplings" if form == "lif" else "couplings_2"
    found = {"couplings": first, "input_weights": "input_weights", "readout": "readout"}
    for name in found.values():
        if not isinstance(graph.nodes.get(name), nir.Affine):
            raise ValueError(f"a graph of the form {form!r} must have an Affine node {name!r}")
    weights = {name: np.asarray(graph.nodes[node].weight) for name, node in found.items()}
    for name, array in weights.items():
        if array.ndim != 2 or min(array.shape) < 2 - (name == "readout"):
            raise ValueError(f"node {found[name]!r} has no matrix of weights, but {array.shape}")
    nodes: dict[str, Any] = {
        name: nir.Affine(
            np.ascontiguousarray(array[: len(array) - (name != "readout"), :-1]),
            np.zeros(len(array) - (name != "readout"), np.float32),
            metadata=graph.nodes[found[name]].metadata,
        )
        for name, array in weights.items()
    }
    for node in nodes.values():
        node.bias = -node.weight.sum(axis=1, dtype=np.float64) / 2
    n_neurons, n_inputs = nodes["input_weights"].weight.shape
    integer = metadata.get("arithmetic") == "integer"
    threshold = -_OFFSET if integer else -float(np.finfo(np.float32).smallest_normal)
    nodes["input"] = nir.Input(np.array([n_inputs]))
    nodes["spins"] = nir.Threshold(np.full(n_neurons, threshold))
    nodes["output"] = nir.Output(np.array([len(nodes["readout"].weight)]))
    for name in ("constant_input", "field_offset", "time_step", "sweeps"):
        metadata.pop(name, None)
    edges = [
        ("input", "input_weights"), ("input_weights", "spins"), ("spins", "couplings"),
        ("couplings", "spins"), ("spins", "readout"), ("readout", "output"),
    ]  # fmt: skip
    plain = nir.NIRGraph(nodes=nodes, edges=edges, metadata=metadata)
    _compare(graph, to_form(plain, form, sweeps))
    return plain


def _count_sweeps(metadata: dict[str, Any], form: object) -> int:
    if not isinstance(form, str) or form not in FORMS[1:]:
        raise ValueError(f"the graph has the form {form!r}, binnet reads {', '.join(FORMS)}")
    if form == "lif":
        return 1
    sweeps = metadata.get("sweeps")
    if not isinstance(sweeps, int | np.integer) or sweeps < 2:
        raise ValueError(
            f"an unrolled graph must say its sweeps, 2 or more, got {sweeps!r}; one of a single "
            "sweep has no couplings"
        )
    return int(sweeps)


def _compare(graph: nir.NIRGraph, wanted: nir.NIRGraph) -> None:
    """Refuse a graph that is not what its weights and its metadata make of it."""
    if {(str(a), str(b)) for a, b in graph.edges} != set(wanted.edges):
        raise ValueError(
            f"the edges must be those of the form {wanted.metadata['form']!r}, got "
            f"{sorted((str(a), str(b)) for a, b in graph.edges)}"
        )
    for name, node in wanted.nodes.items():
        found = graph.nodes.get(name)
        if type(found) is not type(node):
            raise ValueError(f"node {name!r} must be {type(node).__name__}, got {found}")
        for key in ("weight", "bias", "tau", "r", "v_leak", "v_threshold"):
            if hasattr(node, key):
                _compare_arrays(name, key, getattr(found, key), getattr(node, key))


def _compare_arrays(name: str, key: str, found: Any, wanted: NDArray[Any]) -> None:
    array = np.asarray(found)
    # Sums of a row were rounded in another order, if another tool rounded them.
    if array.shape != wanted.shape or not np.allclose(array, wanted, 1e-5, 1e-6):
        raise ValueError(
            f"node {name!r} has a {key} that its form does not give it: the last input and the "
            "last neuron carry minus half the sum of each row, all couplings are one matrix, and "
            "neurons forget within a time step"
        )


def _extend(graph: nir.NIRGraph, integer: bool) -> tuple[dict[str, NDArray[Any]], float, float]:
    """Return weights with a last input and neuron that carry the biases, offset and threshold."""
    offset, threshold = _OFFSET, _THRESHOLD
    if not integer:
        offset, threshold = 0.0, -float(np.finfo(np.float32).smallest_normal)
    weights: dict[str, NDArray[Any]] = {}
    for name in ("input_weights", "couplings", "readout"):
        node = graph.nodes[name]
        rows, columns = node.weight.shape
        array = np.zeros((rows + (name != "readout"), columns + 1), np.float64)
        array[:rows, :columns], array[:rows, columns] = node.weight, node.bias
        weights[name] = array
    weights["input_weights"][:-1, -1] += offset
    weights["input_weights"][-1, -1] = 1.0
    if integer:
        scale = 2.0 ** (int(graph.metadata.get("input_bits", 1)) - 1)
        sums = [np.abs(weights[name]).sum(axis=1) for name in weights]
        largest = max((scale * sums[0] + sums[1]).max(), sums[2].max())
        if largest > _LARGEST_SUM:
            raise ValueError(
                f"sums could reach {largest:g} and are exact up to {_LARGEST_SUM:g} in the float32 "
                "of this form; choose fewer bits of weights or inputs, or the form 'threshold'"
            )
    return {k: v.astype(np.float32) for k, v in weights.items()}, offset, threshold


def _affine(graph: nir.NIRGraph, name: str, weights: dict[str, NDArray[Any]]) -> nir.Affine:
    weight = weights[name]
    bias = np.zeros(len(weight), np.float32)
    return nir.Affine(weight.copy(), bias, metadata=dict(graph.nodes[name].metadata))


def _lif(n_neurons: int, threshold: float) -> nir.LIF:
    one = np.ones(n_neurons, np.float32)
    return nir.LIF(
        tau=np.float32(TIME_STEP) * one, r=one, v_leak=0 * one, v_threshold=threshold * one
    )
