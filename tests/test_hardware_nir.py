"""NIR: networks come back identical, NIR's own semantics run them, other graphs are refused."""

import dataclasses
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hardware_cases as cases
from binnet import relax
from binnet._files import MARK, is_ours
from library_cases import draw_spins

nir = pytest.importorskip("nir")
h5py = pytest.importorskip("h5py")

from binnet.hardware.nir_export import to_nir, write_nir  # noqa: E402
from binnet.hardware.nir_import import from_nir, read_nir  # noqa: E402


def run_graph(graph: Any, x: np.ndarray, sweeps: int) -> tuple[np.ndarray, np.ndarray]:
    """Run a graph of Affine and Threshold nodes as NIR defines them, on one input of bits.

    What a node emits reaches the next ones; around a cycle that takes a time step, and before it
    has fired for the first time a node emits nothing.
    """
    (source,) = (k for k, n in graph.nodes.items() if isinstance(n, nir.Input))
    (sink,) = (k for k, n in graph.nodes.items() if isinstance(n, nir.Output))
    (spins,) = (k for k, n in graph.nodes.items() if isinstance(n, nir.Threshold))
    fired: np.ndarray | None = None

    def emit(name: str) -> np.ndarray | None:
        node = graph.nodes[name]
        if name == source:
            return x
        if name == spins:
            return fired
        value = collect(name)
        if isinstance(node, nir.Output) or value is None:
            return value
        return np.asarray(node.weight.astype(np.float64) @ value + node.bias)

    def collect(name: str) -> np.ndarray | None:
        values = [v for v in (emit(a) for a, b in graph.edges if b == name) if v is not None]
        return np.asarray(sum(values)) if values else None

    for _ in range(sweeps):
        v = collect(spins)
        assert v is not None
        fired = (v > graph.nodes[spins].threshold).astype(np.float64)
    result = collect(sink)
    assert fired is not None
    assert result is not None
    return fired, result


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_float_network_comes_back_identical(dtype: type, tmp_path: Path) -> None:
    network = cases.make_float(dtype, self_coupling=0.7)
    write_nir(tmp_path / "a.nir", network)
    assert cases.same_network(read_nir(tmp_path / "a.nir"), network)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_an_integer_network_comes_back_identical(bits: int, tmp_path: Path) -> None:
    network = cases.make_quantized(bits)
    write_nir(tmp_path / "a.nir", network)
    assert cases.same_network(read_nir(tmp_path / "a.nir"), network)


def test_what_a_reader_of_the_file_sees(tmp_path: Path) -> None:
    network = cases.make_quantized(8)
    write_nir(tmp_path / "a.nir", network)
    graph = nir.read(tmp_path / "a.nir")
    nodes, formats = graph.nodes, network.formats
    assert {type(node).__name__ for node in nodes.values()} == {
        "Input", "Affine", "Threshold", "Output",
    }  # fmt: skip
    J = nodes["couplings"].weight
    assert (np.diagonal(J) == network.self_coupling).all()
    assert J.dtype.kind == nodes["input_weights"].weight.dtype.kind == "i"
    assert "sign(0) = +1" in graph.metadata["threshold_convention"]
    notes = nodes["input_weights"].metadata
    assert (notes["dtype"], notes["bits"]) == ("int8", 8)
    assert notes["fraction_bits"] == formats.input_weights.fraction_bits
    # All that enters the spins has the scale of the accumulator.
    assert notes["scale"] == nodes["couplings"].metadata["scale"] == 2.0**-formats.fraction_bits
    values = nodes["input_weights"].weight * notes["scale"]
    assert np.array_equal(values, network.input_weights * formats.input_weights.resolution)


@pytest.mark.parametrize("bits", [1, 4, 16])
def test_nir_semantics_replay_the_golden_vectors(bits: int) -> None:
    """Bits, and thresholds that are strictly exceeded: yet every final state agrees, ties too."""
    network = cases.make_quantized(bits)
    vectors = cases.make_vectors(network)
    graph = to_nir(network)
    for v in np.flatnonzero(vectors.silent):
        for t in (1, 2, 6):
            bits_out, readout = run_graph(graph, (vectors.inputs[v] + 1) / 2, t)
            assert np.array_equal(2 * bits_out - 1, vectors.states[v, t - 1])
        assert np.array_equal(2 * readout, vectors.readout_fields[v])


def test_a_field_of_zero_is_plus_one() -> None:
    network = cases.make_quantized(4)
    zeros = {name: np.zeros_like(getattr(network, name)) for name in ("couplings", "input_weights")}
    tied = dataclasses.replace(network, **zeros)
    fired, _ = run_graph(to_nir(tied), np.ones(cases.N_INPUTS), 1)
    assert fired.all()


def test_nir_semantics_run_a_float_network() -> None:
    network = cases.make_float(np.float64)
    X = draw_spins(20, cases.N_INPUTS, 3)
    result = relax(network, X, max_sweeps=8)
    for x, state, fields in zip(X, result.states, result.readout_fields, strict=True):
        fired, readout = run_graph(to_nir(network), (x + 1) / 2, 8)
        assert np.array_equal(2 * fired - 1, state)
        assert np.allclose(2 * readout, fields)


def test_names_of_nodes_do_not_matter() -> None:
    network = cases.make_quantized(4)
    graph = to_nir(network)
    names = {name: f"node {k}" for k, name in enumerate(graph.nodes)}
    renamed = nir.NIRGraph(
        {names[k]: node for k, node in graph.nodes.items()},
        [(names[a], names[b]) for a, b in reversed(graph.edges)],
        metadata=graph.metadata,
    )
    assert cases.same_network(from_nir(renamed), network)


def test_a_graph_of_another_tool() -> None:
    """Without our metadata: the self-coupling comes from the diagonal, and W_back is 0."""
    network = cases.make_float(np.float64)
    graph = to_nir(network)
    graph.metadata = {}
    found = from_nir(graph)
    assert np.array_equal(found.couplings, network.couplings)
    assert found.self_coupling == network.self_coupling
    assert not found.feedback.any()


def with_node(name: str, node: Any) -> Callable[[Any], None]:
    return lambda graph: graph.nodes.update({name: node})


def with_weight(change: Callable[[np.ndarray], object], name: str = "couplings") -> Callable:
    """Change a weight, and the bias with it."""

    def apply(graph: Any) -> None:
        node = graph.nodes[name]
        node.weight = node.weight.copy()
        change(node.weight)
        node.bias = -node.weight.sum(axis=1) / 2

    return apply


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (with_node("lif", nir.LIF(*[np.ones(12)] * 4)), "node 'lif' is a LIF, which"),
        (lambda g: g.metadata.update(format="binnet-nir-9"), "the format 'binnet-nir-9', this"),
        (with_node("more", nir.Input(np.array([4]))), "must have 1 Input node, got 2"),
        (lambda g: g.nodes.pop("readout"), "must have 3 Affine nodes, got 2"),
        (lambda g: g.edges.remove(("couplings", "spins")), "the edges must be input -> Affine"),
        (
            lambda g: setattr(g.nodes["spins"], "threshold", np.zeros(12)),
            "node 'spins' must have thresholds just below 0",
        ),
        (
            lambda g: setattr(g.nodes["couplings"], "bias", np.zeros(12)),
            "node 'couplings' must have biases of minus half the sum",
        ),
        (with_weight(lambda w: w.__setitem__((0, 0), 9)), "one self-coupling >= 0 all along"),
        (
            lambda g: g.metadata.update(self_coupling=5.0),
            "metadata say self_coupling = 5.0, but node 'couplings' has 0.5",
        ),
        (
            lambda g: setattr(
                g.nodes["readout"], "weight", g.nodes["readout"].weight.astype(np.int8)
            ),
            "all floating-point or all integers, got couplings: float32",
        ),
    ],
)
def test_other_graphs_are_refused(change: Callable[[Any], object], message: str) -> None:
    graph = to_nir(cases.make_float())
    change(graph)
    with pytest.raises(ValueError, match=message):
        from_nir(graph)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda g: g.nodes["couplings"].metadata.pop("bits"),
            "'couplings' has integer weights, but its metadata lack 'bits'",
        ),
        (lambda g: g.metadata.pop("margin"), "integer weights, but its metadata lack 'margin'"),
        (
            lambda g: g.nodes["readout"].metadata.update(bits=2),
            r"readout must be within -1\.\.1 of 2 bits",
        ),
        (
            with_weight(lambda w: w.__iadd__(1), "input_weights"),
            r"'input_weights' has weights that are no multiples of 2\*\*",
        ),
    ],
)
def test_other_integer_graphs_are_refused(change: Callable[[Any], object], message: str) -> None:
    graph = to_nir(cases.make_quantized(4))
    change(graph)
    with pytest.raises(ValueError, match=message):
        from_nir(graph)


@contextmanager
def unsigned(path: Path) -> Iterator[Any]:
    """Open a file of ours to make one of another tool of it."""
    with h5py.File(path, "r+") as file:
        del file.attrs["binnet"]
        yield file
    path.write_bytes(path.read_bytes().replace(MARK.encode(), bytes(len(MARK))))


def test_edited_files_of_ours_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.nir"
    write_nir(path, cases.make_float())
    assert is_ours(path)
    with h5py.File(path, "r+") as file:
        file["node/nodes/couplings/weight"][0, 1] += 1
    with pytest.raises(ValueError, match=r"a\.nir is damaged or was edited: its digest is not"):
        read_nir(path)


def replace(file: Any, place: str, value: Any) -> None:
    del file[place]
    file[place] = value


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: replace(f, "node/nodes/loop", h5py.SoftLink("/node")), "nodes/loop is a link"),
        (lambda f: replace(f, "node/nodes/loop", f["node"]), "loop is in two places, or too deep"),
        (lambda f: replace(f, "node/metadata", h5py.ExternalLink("b", "/")), "metadata is a link"),
        (
            lambda f: f.create_dataset("node/x", (2**40, 2), "f8", chunks=(2**16, 2)),
            r"/node/x declares float64 of shape \(1099511627776, 2\), more than",
        ),
        (lambda f: replace(f, "node/nodes/couplings/weight", 3.0), "damaged or no"),
        (lambda f: replace(f, "node/nodes/couplings/weight", np.ones((12, 8))), "damaged or no"),
        (lambda f: replace(f, "node/nodes/couplings/type", 3), "is damaged or no NIR file"),
        (lambda f: replace(f, "node/edges", np.ones(3)), "damaged or no valid NIR graph"),
        (lambda f: replace(f, "node/edges", "a"), "damaged or no valid NIR graph"),
        (lambda f: replace(f, "node/metadata/format", np.ones(3)), "has the format array"),
        (lambda f: replace(f, "node/metadata/feedback", 1), "feedback in the metadata must be a"),
        (lambda f: replace(f, "node/metadata/feedback", "a"), "feedback in the metadata must be a"),
        (lambda f: replace(f, "node/metadata/self_coupling", "a"), "self_coupling in the metadata"),
        (lambda f: f.create_group("node/metadata/self_coupling/a"), "damaged or no"),
        (lambda f: replace(f, "node/nodes", 3), "damaged or no NIR file"),
    ],
)
def test_hostile_files_are_refused_in_one_line(
    change: Callable[[Any], object], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.nir"
    write_nir(path, cases.make_float())
    with unsigned(path) as file:
        if "loop" in message:
            file["node/nodes/loop"] = 1
        if change.__code__.co_names == ("create_group",):
            del file["node/metadata/self_coupling"]
        change(file)
    with pytest.raises(ValueError, match=message) as caught:
        read_nir(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bad_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.nir"
    with pytest.raises(FileNotFoundError, match="there is no NIR file"):
        read_nir(path)
    path.write_text("no HDF5")
    with pytest.raises(ValueError, match=r"a\.nir is damaged or no NIR file"):
        read_nir(path)
    with h5py.File(path, "w") as file:
        file["other"] = 1
    with pytest.raises(ValueError, match=r"a\.nir is damaged or no NIR file"):
        read_nir(path)


@pytest.mark.parametrize("name", ["input", "output"])
def test_missing_shapes_are_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a.nir"
    write_nir(path, cases.make_float())
    with unsigned(path) as file:
        del file[f"node/nodes/{name}/shape"]
    with pytest.raises(ValueError, match=rf"node '{name}' \({name.title()}\) has no shape"):
        read_nir(path)


def test_unsupported_nodes_in_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.nir"
    write_nir(path, cases.make_float())
    with unsigned(path) as file:
        del file["node/nodes/spins/type"]
        file["node/nodes/spins/type"] = "Izhikevich"
    with pytest.raises(ValueError, match=r"node 'spins' is a Izhikevich, which .* supported are"):
        read_nir(path)


def test_shapes_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.nir"
    write_nir(path, cases.make_float())
    with unsigned(path) as file:
        file["node/nodes/input/shape"][...] = 9
    with pytest.raises(ValueError, match=r"is damaged or no .*: .*[Mm]ismatch"):
        read_nir(path)


@pytest.mark.parametrize("module", ["nir_export", "nir_import"])
def test_without_nir_the_command_that_installs_it_is_named(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nir", None)
    monkeypatch.delitem(sys.modules, f"binnet.hardware.{module}", raising=False)
    with pytest.raises(ImportError, match=r"pip install 'binnet\[hardware\]'"):
        __import__(f"binnet.hardware.{module}")
