"""Networks as ONNX graphs of standard operators (opset 17): inference, for runtimes and compilers.

A graph takes a batch of inputs and gives the states after inference, the readout's fields, labels
and whether each sample is at a fixed point. It begins silent and sweeps until nothing changes in
the batch, at most `sweeps` times: at a fixed point more sweeps change nothing, so every sample
ends as `binnet.predict` ends. With the names of docs/model/arithmetic.md, eq. (2.2)::

    external = MatMulInteger(inputs, W_in) << input_shift
    up       = external >= 0
    sweep:     spins = Where(up, +1, -1), cast to int8
               up = MatMulInteger(spins, J) << coupling_shift + J_D * spins + external >= 0
    readout_fields = MatMulInteger(spins, W_out);  labels = ArgMax(readout_fields)

Integers of up to 8 bits are int8 tensors, also those of 4, 2 and 1, since the operators know
nothing narrower; of 16 bits int16, widened for MatMul in int32. All sums are int32, and exact. As
float32 (`dtype`) they are exact below 2**24, which is checked. The shifts are multiplications.

The module needs the extra "onnx".
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

try:
    import onnx
    from onnx import helper, numpy_helper
except ImportError:
    raise ImportError("ONNX files need the package onnx; pip install 'binnet[onnx]'") from None

from binnet._files import atomic_path, make_mark
from binnet._provenance import get_version
from binnet._validation import check_choice, check_integer
from binnet.networks import BinaryNetwork, QuantizedNetwork

FORMAT = "binnet-onnx-1"
FORMS = ("loop", "unrolled")
DTYPES = ("native", "float32")
OPSET = 17
# Of opset 17. Later ones say nothing that these graphs need.
_IR_VERSION = 8
_EXACT_FLOAT = 2**24
_CONVENTIONS = {
    "threshold_convention": "sign(0) = +1: a spin is +1 where its field is >= 0",
    "initial_state": "silent: nothing comes from the couplings in the first sweep",
    "update": "synchronous",
    "ties": "the first of the largest readout fields is the label",
}


def to_onnx(
    network: BinaryNetwork | QuantizedNetwork,
    *,
    form: str = "loop",
    dtype: str = "native",
    sweeps: int = 10,
    provenance: Mapping[str, Any] | None = None,
) -> onnx.ModelProto:
    """Return the inference of a network as an ONNX model.

    Inputs and outputs: ``inputs`` (batch, N_in), -1 and +1 or graded integers of the network's
    format; ``states`` (batch, H), -1 and +1; ``readout_fields`` (batch, C), in units of the
    readout's weights; ``labels`` (batch,); ``fixed_points`` (batch,), whether the last sweep left
    the state as it was.

    Parameters
    ----------
    network : BinaryNetwork or QuantizedNetwork
        The network.
    form : {"loop", "unrolled"}, default "loop"
        A Loop operator, which ends early where nothing changes; or `sweeps` copies of a sweep, for
        tools without control flow.
    dtype : {"native", "float32"}, default "native"
        Whether integers are computed in integers, or as float32 that holds the same integers.
        Networks in floating point are computed as they are.
    sweeps : int, default 10
        Sweeps at most, 2 or more; 10 are those of `binnet.predict`.
    provenance : mapping, optional
        Where the network comes from, for the metadata; plain values.

    Returns
    -------
    onnx.ModelProto
        The model, which onnx's checker has passed.

    Raises
    ------
    ValueError
        If a choice is none of the above, the network has modules or biases, or integers are too
        large for float32.
    """
    check_choice("form", form, FORMS)
    check_choice("dtype", dtype, DTYPES)
    check_integer("sweeps", sweeps, 2, 1000)
    if isinstance(network, QuantizedNetwork):
        network.refuse_structure("an ONNX graph")
    else:
        network.refuse_modules("an ONNX graph")
        network = network.to_dense()
    graph = _Graph(network, dtype == "float32")
    external = graph.field("inputs", "W_in", "external")
    up = graph.node("GreaterOrEqual", [external, "zero"], "up_1")
    if form == "loop":
        up, settled = graph.add_loop(up, external, sweeps)
    else:
        for t in range(2, sweeps + 1):
            before, up = up, graph.add_sweep(up, external, f"_{t}")
        settled = graph.compare(before, up, "")
    graph.add_readout(up, settled)
    model = helper.make_model(
        graph.to_proto(),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
        producer_name="binnet",
        producer_version=get_version(),
        doc_string=make_mark(),
    )
    notes = _describe(network, form, dtype, sweeps) | {"provenance": dict(provenance or {})}
    helper.set_model_props(
        model,
        {k: v if isinstance(v, str) else json.dumps(v, sort_keys=True) for k, v in notes.items()},
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def write_onnx(
    path: str | os.PathLike[str],
    network: BinaryNetwork | QuantizedNetwork,
    *,
    overwrite: bool = False,
    form: str = "loop",
    dtype: str = "native",
    sweeps: int = 10,
    provenance: Mapping[str, Any] | None = None,
) -> onnx.ModelProto:
    """Write a network as an ONNX file, atomically; the same arguments give the same bytes.

    Parameters
    ----------
    path : path-like
        File to write, ending in .onnx by convention.
    network : BinaryNetwork or QuantizedNetwork
        The network.
    overwrite : bool, default False
        Whether a file may be replaced that binnet did not write.
    form, dtype, sweeps, provenance : str, str, int, mapping
        As in `to_onnx`.

    Returns
    -------
    onnx.ModelProto
        The model that was written.
    """
    model = to_onnx(network, form=form, dtype=dtype, sweeps=sweeps, provenance=provenance)
    with atomic_path(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))
    return model


class _Graph:
    """Nodes and constants of a network's graph; names are what the nodes call their results."""

    def __init__(self, network: BinaryNetwork | QuantizedNetwork, as_float: bool) -> None:
        self.network = network
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.integer = isinstance(network, QuantizedNetwork) and not as_float
        self.sum_type: np.dtype[Any] = np.dtype(np.float32)
        self.input_type = self.sum_type
        self.shifts = dict.fromkeys(("J", "W_in", "W_out"), 0)
        graded = False
        if isinstance(network, QuantizedNetwork):
            if as_float:
                _refuse_large(max(network.worst_field, network.worst_readout_field))
            formats = network.formats
            self.shifts |= {"J": formats.coupling_shift, "W_in": formats.input_shift}
            graded = formats.inputs.bits > 1
            if self.integer:
                self.sum_type = np.dtype(np.int32)
                self.input_type = np.dtype(np.int8 if formats.inputs.signed else np.uint8)
        else:
            self.sum_type = self.input_type = network.dtype
        self.spin_type = np.dtype(np.int8) if self.integer else self.sum_type
        for name, block in (("J", "couplings"), ("W_in", "input_weights"), ("W_out", "readout")):
            weights = np.ascontiguousarray(getattr(network, block).T)
            self.add(name, weights if self.integer else weights.astype(self.sum_type))
            if self.shifts[name]:
                self.add(f"{name}_scale", np.array(1 << self.shifts[name], self.sum_type))
        self.wide = {t.name for t in self.constants if t.data_type == onnx.TensorProto.INT16}
        if self.integer and graded:
            # ONNX Runtime sums products of bytes in pairs of 16 bits on CPUs without VNNI: those
            # of spins fit, those of graded inputs would saturate.
            self.wide.add("W_in")
        self.add("zero", np.array(0, self.sum_type))
        self.add("self_coupling", np.array(network.self_coupling, self.sum_type))
        self.add("plus", np.array(1, self.sum_type))
        self.add("minus", np.array(-1, self.sum_type))

    def add(self, name: str, array: NDArray[Any]) -> None:
        self.constants.append(numpy_helper.from_array(array, name))

    def node(self, operator: str, inputs: list[str], name: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [name], name, **attributes))
        return name

    def field(self, vector: str, weights: str, name: str) -> str:
        """Add the sums of a vector times a block, in units of the accumulator."""
        shifted = bool(self.shifts[weights])
        sums = f"{name}_sums" if shifted else name
        if weights in self.wide:
            wide = [self.widen(item, f"{name}_{item}") for item in (vector, weights)]
            self.node("MatMul", wide, sums)
        else:
            self.node("MatMulInteger" if self.integer else "MatMul", [vector, weights], sums)
        return self.node("Mul", [sums, f"{weights}_scale"], name) if shifted else name

    def widen(self, name: str, wide: str) -> str:
        if not self.integer:
            return name
        return self.node("Cast", [name], wide, to=onnx.TensorProto.INT32)

    def choose(self, up: str, name: str) -> str:
        """Add spins; ONNX Runtime 1.20 has no Where of int8."""
        if not self.integer:
            return self.node("Where", [up, "plus", "minus"], name)
        chosen = self.node("Where", [up, "plus", "minus"], f"chosen_{name}")
        return self.node("Cast", [chosen], name, to=onnx.TensorProto.INT8)

    def add_sweep(self, up: str, external: str, suffix: str) -> str:
        spins = self.choose(up, f"spins{suffix}")
        recurrent = self.field(spins, "J", f"recurrent{suffix}")
        own = self.widen(spins, f"wide_spins{suffix}")
        own = self.node("Mul", [own, "self_coupling"], f"own{suffix}")
        fields = self.node("Add", [recurrent, own], f"driven{suffix}")
        fields = self.node("Add", [fields, external], f"fields{suffix}")
        return self.node("GreaterOrEqual", [fields, "zero"], f"up{suffix}")

    def compare(self, before: str, after: str, suffix: str) -> str:
        """Add whether a sample's last sweep changed nothing."""
        same = self.node("Equal", [before, after], f"same{suffix}")
        numbers = self.node("Cast", [same], f"same_numbers{suffix}", to=onnx.TensorProto.INT32)
        least = self.node("ReduceMin", [numbers], f"least{suffix}", axes=[1], keepdims=0)
        return self.node("Cast", [least], f"settled{suffix}", to=onnx.TensorProto.BOOL)

    def add_loop(self, up: str, external: str, sweeps: int) -> tuple[str, str]:
        outer, self.nodes = self.nodes, []
        after = self.add_sweep("up_before", external, "_next")
        settled = self.compare("up_before", after, "_next")
        numbers = self.node("Cast", [settled], "settled_numbers", to=onnx.TensorProto.INT32)
        least = self.node("ReduceMin", [numbers], "least_settled", keepdims=0)
        every = self.node("Cast", [least], "all_settled", to=onnx.TensorProto.BOOL)
        going_on = self.node("Not", [every], "going_on_next")
        body = helper.make_graph(
            self.nodes,
            "sweep",
            [
                helper.make_tensor_value_info("sweep", onnx.TensorProto.INT64, []),
                helper.make_tensor_value_info("going_on", onnx.TensorProto.BOOL, []),
                self.value("up_before", np.dtype(bool), self.network.n_neurons),
                self.value("settled_before", np.dtype(bool)),
            ],
            [
                helper.make_tensor_value_info(going_on, onnx.TensorProto.BOOL, []),
                self.value(after, np.dtype(bool), self.network.n_neurons),
                self.value(settled, np.dtype(bool)),
            ],
        )
        self.nodes = outer
        self.add("more_sweeps", np.array(sweeps - 1, np.int64))
        self.add("yes", np.array(True))
        never = self.node("Not", [self.compare(up, up, "_1")], "settled_at_first")
        inputs = ["more_sweeps", "yes", up, never]
        outputs = ["up_last", "settled"]
        self.nodes.append(helper.make_node("Loop", inputs, outputs, "sweeps", body=body))
        return outputs[0], outputs[1]

    def add_readout(self, up: str, settled: str) -> None:
        states = self.choose(up, "states")
        fields = self.field(states, "W_out", "readout_fields")
        self.node("ArgMax", [fields], "labels", axis=1, keepdims=0)
        self.node("Identity", [settled], "fixed_points")

    def value(self, name: str, dtype: np.dtype[Any], *columns: int) -> onnx.ValueInfoProto:
        kind = helper.np_dtype_to_tensor_dtype(dtype)
        return helper.make_tensor_value_info(name, kind, ["batch", *columns])

    def to_proto(self) -> onnx.GraphProto:
        network = self.network
        return helper.make_graph(
            self.nodes,
            "inference",
            [self.value("inputs", self.input_type, network.n_inputs)],
            [
                self.value("states", self.spin_type, network.n_neurons),
                self.value("readout_fields", self.sum_type, network.n_outputs),
                self.value("labels", np.dtype(np.int64)),
                self.value("fixed_points", np.dtype(bool)),
            ],
            self.constants,
        )


def _refuse_large(worst: int) -> None:
    if worst >= _EXACT_FLOAT:
        raise ValueError(
            f"a field could reach {worst}, and float32 holds integers exactly below "
            f"{_EXACT_FLOAT}; choose fewer bits of weights or inputs, or the dtype 'native'"
        )


def _describe(
    network: BinaryNetwork | QuantizedNetwork, form: str, dtype: str, sweeps: int
) -> dict[str, Any]:
    notes: dict[str, Any] = {"format": FORMAT, **_CONVENTIONS, "form": form, "sweeps": sweeps}
    if not isinstance(network, QuantizedNetwork):
        return notes | {"arithmetic": network.dtype.name}
    formats = network.formats
    return notes | {
        "arithmetic": "integer" if dtype == "native" else "integers held in float32",
        "formats": dataclasses.asdict(formats),
        "field_scale": 2.0**-formats.fraction_bits,
        "readout_scale": formats.readout.resolution,
        "self_coupling": network.self_coupling,
        "margin": network.margin,
        "readout_margin": network.readout_margin,
    }
