"""NIR graphs of LIF neurons: any reading of their semantics finds what binnet finds; read back."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hardware_cases as cases
from binnet import relax
from binnet.hardware import quantize
from library_cases import draw_spins

nir = pytest.importorskip("nir")
h5py = pytest.importorskip("h5py")

from binnet.hardware.nir_export import to_nir, write_nir  # noqa: E402
from binnet.hardware.nir_import import from_nir, read_nir  # noqa: E402

X = draw_spins(40, cases.N_INPUTS, 3)
# How tools read a spike: which comparison, and what is left of the potential after it.
READINGS = [(np.greater, 0.0), (np.greater_equal, 0.0), (np.greater, 1.0), (np.greater_equal, 1.0)]


def run_lif(graph: Any, u: np.ndarray, steps: int, compare: Any, reset: float) -> np.ndarray:
    """Run a graph in float32, in time steps of the neurons' time constant; return the readouts.

    Within a step signals go from node to node in the order of the nodes; what comes from a later
    one is that of the step before, at first 0. `reset` thresholds stay behind after a spike.
    """
    u = np.hstack([u, np.ones((len(u), 1))]).astype(np.float32)
    values: dict[str, np.ndarray] = {}
    left = dict.fromkeys(graph.nodes, np.float32(0))
    names = [name for name in graph.nodes if not name.startswith("couplings")]
    names[2:2] = [name for name in graph.nodes if name == "couplings"]
    position = names.index("output")
    for name in sorted(n for n in graph.nodes if n.startswith("couplings_")):
        names.insert(names.index(f"spins_{name.removeprefix('couplings_')}"), name)
        position += 1
    for _ in range(steps):
        for name in names:
            node = graph.nodes[name]
            sources = [values[a] for a, b in graph.edges if b == name and a in values]
            if name == "input":
                values[name] = u
            elif sources:
                total = np.sum(sources, axis=0, dtype=np.float32)
                if isinstance(node, nir.Affine):
                    total = total @ node.weight.T + node.bias
                    assert total.dtype == np.float32
                elif isinstance(node, nir.LIF):
                    potential = total - left[name]
                    fired = compare(potential, node.v_threshold)
                    left[name] = reset * node.v_threshold * fired
                    total = fired.astype(np.float32)
                values[name] = total
    return values["output"]


@pytest.mark.parametrize(("compare", "reset"), READINGS)
@pytest.mark.parametrize("form", ["lif", "unrolled"])
@pytest.mark.parametrize("bits", [1, 4, 16])
def test_integers_do_not_depend_on_the_reading(
    bits: int, form: str, compare: Any, reset: float
) -> None:
    network = cases.make_quantized(bits)
    unit = network.formats.readout.resolution
    for sweeps in (2, 3, 6):
        graph = to_nir(network, form=form, sweeps=sweeps)
        steps = sweeps if form == "lif" else 1
        found = run_lif(graph, (X + 1) / 2, steps, compare, reset)
        expected = relax(network, X, max_sweeps=sweeps).readout_fields
        assert np.array_equal(2 * found * unit, expected)


@pytest.mark.parametrize(("compare", "reset"), READINGS)
def test_a_field_of_zero_is_plus_one(compare: Any, reset: float) -> None:
    """In every sweep, of a neuron that has fired as of one that has not."""
    network = cases.make_quantized(4)
    tied = dataclasses.replace(
        network,
        couplings=np.zeros_like(network.couplings),
        input_weights=np.zeros_like(network.input_weights),
        self_coupling=0,
    )
    expected = tied.readout.sum(axis=1) * np.ones((len(X), 1))
    for steps in (1, 2, 3):
        found = run_lif(to_nir(tied, form="lif"), (X + 1) / 2, steps, compare, reset)
        assert np.array_equal(2 * found, expected)


def test_graded_inputs() -> None:
    network, _ = quantize(cases.make_float(), 4, input_bits=8, input_format="signed")
    inputs = network.formats.inputs
    integers = np.random.default_rng(1).integers(inputs.low, inputs.high + 1, (40, cases.N_INPUTS))
    graph = to_nir(network, form="lif")
    found = run_lif(graph, (integers + 1) / 2, 6, np.greater, 0.0)
    result = relax(network, inputs.dequantize(integers), max_sweeps=6)
    assert np.array_equal(2 * found * network.formats.readout.resolution, result.readout_fields)
    assert cases.same_network(from_nir(graph), network)


def test_floats_up_to_rounding() -> None:
    network = cases.make_float(np.float32, self_coupling=0.7)
    for form, steps in (("lif", 6), ("unrolled", 1)):
        graph = to_nir(network, form=form, sweeps=6)
        found = run_lif(graph, (X + 1) / 2, steps, np.greater, 0.0)
        expected = relax(network, X, max_sweeps=6).readout_fields
        assert np.allclose(2 * found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [{"dtype": "float32"}, {"form": "lif"}, {"form": "unrolled", "sweeps": 3}],
    ids=["float32", "lif", "unrolled"],
)
def test_every_form_comes_back_identical(options: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "a.nir"
    for network in (*map(cases.make_quantized, (1, 2, 4, 8, 16)), cases.make_float()):
        write_nir(path, network, **options)
        assert cases.same_network(read_nir(path), network)
        weights = [node.weight for node in nir.read(path).nodes.values() if hasattr(node, "weight")]
        assert {weight.dtype for weight in weights} == {np.dtype(np.float32)}


def test_double_precision_comes_back_as_float32() -> None:
    network = cases.make_float(np.float64)
    for options in ({"dtype": "float32"}, {"form": "lif"}):
        found = from_nir(to_nir(network, **options))
        assert np.array_equal(found.couplings, network.couplings.astype(np.float32))


def test_files_hold_what_the_oldest_nir_reads(tmp_path: Path) -> None:
    write_nir(tmp_path / "a.nir", cases.make_quantized(4), form="lif")
    with h5py.File(tmp_path / "a.nir") as file:
        keys = set(file["node/nodes/spins"])
    assert keys - {"metadata"} == {"type", "tau", "r", "v_leak", "v_threshold"}


def edit(name: str, key: str, index: Any, value: float) -> Callable[[Any], None]:
    return lambda graph: getattr(graph.nodes[name], key).__setitem__(index, value)


@pytest.mark.parametrize(
    ("form", "change", "message"),
    [
        ("lif", edit("couplings", "weight", (0, -1), 9), "'couplings' has a weight that its form"),
        ("lif", edit("couplings", "bias", 0, 1), "'couplings' has a bias that its form"),
        ("lif", edit("spins", "tau", 2, 1), "'spins' has a tau that its form"),
        ("lif", edit("spins", "v_threshold", 2, 0.4), "'spins' has a v_threshold that its form"),
        ("unrolled", edit("couplings_3", "weight", (0, 1), 99), "'couplings_3' has a weight"),
        ("lif", edit("readout", "weight", (0, 0), 0.5), "'readout' has a weight that its form"),
        ("threshold", edit("readout", "weight", (0, 0), 0.5), "integers, but node 'readout' has"),
        ("lif", lambda g: g.metadata.update(form="other"), "form 'other', binnet reads threshold"),
        ("lif", lambda g: g.nodes.pop("couplings"), "must have an Affine node 'couplings'"),
        ("lif", lambda g: g.edges.remove(("couplings", "spins")), "edges must be those of the"),
        ("lif", lambda g: g.metadata.pop("form"), "node 'spins' is a LIF, which"),
        ("unrolled", lambda g: g.metadata.update(sweeps=1), "say its sweeps, 2 or more, got 1"),
        ("unrolled", lambda g: g.metadata.update(sweeps=5), "edges must be those of the form"),
    ],
)
def test_other_graphs_are_refused(form: str, change: Callable[[Any], Any], message: str) -> None:
    graph = to_nir(cases.make_quantized(4), form=form, dtype="float32", sweeps=3)
    change(graph)
    with pytest.raises(ValueError, match=message):
        from_nir(graph)


def test_what_cannot_be_written_is_refused() -> None:
    network = cases.make_quantized(4)
    for options, message in (
        ({"form": "loop"}, "form must be"),
        ({"dtype": "int8"}, "dtype must be"),
        ({"form": "unrolled", "sweeps": 1}, r"sweeps must be .*2.*got 1"),
    ):
        with pytest.raises(ValueError, match=message):
            to_nir(network, **options)
    large = dataclasses.replace(network, self_coupling=2**23)
    with pytest.raises(ValueError, match=r"could reach .* exact up to .*'threshold'"):
        to_nir(large, form="lif")
    odd = dataclasses.replace(network, self_coupling=2**24 + 1)
    with pytest.raises(ValueError, match=r"couplings has weights beyond the 16777216 .*'native'"):
        to_nir(odd, dtype="float32")
