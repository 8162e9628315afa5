"""Graded inputs on a chip: memory images, core, NIR and cost, each against another path."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hardware_cases as cases
from binnet.hardware import _check_images
from binnet.hardware.cost import report_cost
from binnet.hardware.energy import EnergyTable
from binnet.hardware.golden_vectors import GoldenVectors, record_golden_vectors
from binnet.hardware.hex_words import from_hex_words, to_hex_words
from binnet.hardware.memory_images import read_memory_images, write_memory_images
from binnet.networks import InputFormat, QuantizedNetwork, choose_input_format
from library_cases import draw_spins

FORMATS = {
    "u8": choose_input_format(8),
    "u3": choose_input_format(3),
    "s4": choose_input_format(4, "signed"),
}


def make_network(format: InputFormat, bits: int = 4) -> QuantizedNetwork:
    network = cases.make_quantized(bits)
    formats = dataclasses.replace(network.formats, inputs=format)
    grown = 1 << formats.fraction_bits - network.formats.fraction_bits
    own, margin = network.self_coupling * grown, network.margin * grown
    return dataclasses.replace(network, formats=formats, self_coupling=own, margin=margin)


def draw_values(network: QuantizedNetwork, n: int = 6) -> np.ndarray:
    format = network.formats.inputs
    integers = np.random.default_rng(2).integers(format.low, format.high + 1, (n, cases.N_INPUTS))
    integers[:, 0], integers[:, 1] = format.low, format.high
    return format.dequantize(integers)


def make_vectors(network: QuantizedNetwork) -> GoldenVectors:
    start = draw_spins(6, network.n_neurons, 1)
    start[:3] = 0
    return record_golden_vectors(network, draw_values(network), start, sweeps=6)


def test_unsigned_words_come_back() -> None:
    integers = np.array([[0, 7, 5], [1, 4, 2]])
    text = to_hex_words(integers, 3)
    assert text == "178\n0a1\n"  # 101 111 000, 010 100 001
    assert np.array_equal(from_hex_words("x.hex", text, (2, 3), 3, signed=False), integers)
    signed = from_hex_words("x.hex", text, (2, 3), 3)
    assert np.array_equal(signed, integers - 8 * (integers > 3))


@pytest.mark.parametrize("name", FORMATS)
def test_a_stranger_replays_graded_vectors(name: str, tmp_path: Path) -> None:
    network = make_network(FORMATS[name])
    vectors = make_vectors(network)
    write_memory_images(tmp_path / "images", network, vectors)
    checker = [sys.executable, "-I", _check_images.__file__, str(tmp_path / "images")]
    run = subprocess.run(checker, capture_output=True, text=True)
    assert run.stdout == "6 golden vectors of 6 sweeps replayed: all bits agree\n", run.stderr
    images = read_memory_images(tmp_path / "images")
    assert cases.same_network(images.network, network)
    for field in ("inputs", "initial_states", "states", "readout_fields"):
        assert np.array_equal(getattr(images.vectors, field), getattr(vectors, field))
    assert images.vectors.inputs.dtype == vectors.inputs.dtype == np.int16
    entry = json.loads((tmp_path / "images" / "manifest.json").read_text())
    entry = entry["golden_vectors"]["files"]["inputs"]
    assert entry["bits"] == FORMATS[name].bits
    assert entry["lanes"] == cases.N_INPUTS
    assert len({tuple(state) for state in vectors.final_states.tolist()}) > 2


def replay(network: QuantizedNetwork, vectors: GoldenVectors, inputs: np.ndarray) -> None:
    """Compare a core in Amaranth's simulator, given some inputs, with golden vectors."""
    from binnet.chips import protocol
    from binnet.chips.contents import fill_memories
    from binnet.chips.core import Core
    from binnet.chips.design import design_core
    from binnet.chips.equivalence import simulate_core
    from binnet.chips.model import CoreModel

    design = design_core(network, 5)
    contents = fill_memories(design, network)
    n_sweeps = vectors.states.shape[1]
    words = protocol.set_register(design, "CONTROL", 1)
    words += protocol.set_register(design, "MAX_SWEEPS", n_sweeps)
    for v, x in enumerate(inputs):
        start = None if vectors.silent[v] else vectors.initial_states[v]
        words += protocol.infer(design, x, start)
    expected = CoreModel(design, contents).run(words)
    answers, _ = simulate_core(Core(design, contents), words, len(expected))
    for v, answer in enumerate(protocol.split_answers(answers)):
        result = protocol.read_result(design, answer, trace=True, learned=False)
        # A fixed point ends the relaxation; in golden vectors it is repeated.
        rest = np.repeat(result.states[-1:], n_sweeps - result.sweeps, axis=0)
        assert np.array_equal(np.concatenate([result.states, rest]), vectors.states[v])
        assert np.array_equal(result.readout_fields, vectors.readout_fields[v])


@pytest.mark.parametrize("name", FORMATS)
def test_the_circuit_replays_graded_vectors(name: str) -> None:
    pytest.importorskip("amaranth")
    network = make_network(FORMATS[name])
    vectors = make_vectors(network)
    replay(network, vectors, vectors.inputs)
    with pytest.raises(AssertionError):  # another input
        replay(network, vectors, vectors.inputs[::-1])


def test_the_circuit_takes_a_single_input() -> None:
    pytest.importorskip("amaranth")
    network = make_network(FORMATS["s4"])
    weights = network.input_weights[:, :1].copy()
    network = dataclasses.replace(network, input_weights=weights)
    X = FORMATS["s4"].dequantize(np.array([[-8], [0], [5]]))
    vectors = record_golden_vectors(network, X, sweeps=4)
    replay(network, vectors, vectors.inputs)


@pytest.mark.parametrize("name", FORMATS)
def test_a_graph_takes_graded_inputs(name: str, tmp_path: Path) -> None:
    pytest.importorskip("nir")
    from binnet.hardware.nir_export import to_nir, write_nir
    from binnet.hardware.nir_import import read_nir
    from test_hardware_nir import run_graph

    network = make_network(FORMATS[name])
    write_nir(tmp_path / "a.nir", network)
    assert cases.same_network(read_nir(tmp_path / "a.nir"), network)
    graph = to_nir(network)
    assert graph.nodes["input"].input_type["input"].tolist() == [cases.N_INPUTS]
    scales = {graph.nodes[node].metadata["scale"] for node in ("couplings", "input_weights")}
    assert scales == {2.0**-network.formats.fraction_bits}  # the fields have one scale
    vectors = record_golden_vectors(network, draw_values(network), sweeps=4)
    for v, n in enumerate(vectors.inputs):
        bits, fields = run_graph(graph, (1 + n.astype(float)) / 2, 4)
        assert np.array_equal(2 * bits - 1, vectors.final_states[v])
        assert np.array_equal(2 * fields, vectors.readout_fields[v])


def test_a_float_graph_takes_graded_inputs() -> None:
    pytest.importorskip("nir")
    from binnet.hardware.nir_export import to_nir
    from test_hardware_nir import run_graph

    network = cases.make_float(np.float64, input_strength=2.0)
    x = np.random.default_rng(0).normal(size=cases.N_INPUTS)
    bits, _ = run_graph(to_nir(network), (1 + x) / 2, 1)
    assert np.array_equal(bits > 0, network.input_weights @ x >= 0)


@pytest.mark.parametrize("name", FORMATS)
def test_an_input_of_b_bits_takes_b_operations(name: str) -> None:
    """In the dense design; the event-driven one leaves out the bits that are 0."""
    network, spins = make_network(FORMATS[name]), make_network(InputFormat())
    X, bits = draw_values(network, 40), FORMATS[name].bits
    table = EnergyTable(accumulate=2.0, access=(1.0, 1.0, 1.0), access_bits=1.0)
    report = report_cost(network, X, table=table)
    integers = FORMATS[name].quantize(X)[0]
    ones = [sum(bin(int(n) & (2**bits - 1)).count("1") for n in row) for row in integers]
    H, N = cases.N_HIDDEN, cases.N_INPUTS
    assert report.dense.input_weights == H * N * bits
    assert report.event_driven.input_weights == pytest.approx(H * np.mean(ones))
    one = report_cost(spins, draw_spins(4, N), table=table)
    assert one.dense.input_weights == one.event_driven.input_weights == H * N
    for design in (report.dense, report.event_driven):
        energy = design.total * (2.0 + 4) + (H * report.sweeps + cases.N_OUTPUTS) * 2
        assert design.energy == pytest.approx(energy)


def invoke(*arguments: Any, code: int = 0) -> str:
    from click.testing import CliRunner

    from binnet.cli import main

    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result.output


def test_commands_take_runs_on_graded_inputs(tmp_path: Path) -> None:
    from binnet.learning import load_checkpoint

    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 120)
    pixels = 200 * rng.random((3, 12))[y] + rng.integers(0, 50, (120, 12))
    np.savez(tmp_path / "own.npz", X=pixels.astype(np.uint8), y=y)
    small = ("--data", tmp_path / "own.npz", "--encoder", "none", "--hidden", 20, "--epochs", 2,
             "--batch-size", 10, "--threads", 1)  # fmt: skip
    float_run, run = tmp_path / "float", tmp_path / "int8"
    wide = ("--arithmetic", "int8", "--input-bits", 4)
    invoke("train", *small, "--out", float_run)
    refused = invoke("train", *small, "--arithmetic", "int8", "--out", tmp_path / "no", code=1)
    assert "take --input-bits = 2 to 8" in " ".join(refused.split())
    invoke("train", *small, *wide, "--out", run)
    stopped = tmp_path / "stopped"
    invoke("train", *small, *wide, "--epochs", 1, "--out", stopped)
    invoke("train", "--resume", stopped, "--epochs", 2, "--threads", 1)
    trained, resumed = (
        load_checkpoint(folder / "checkpoint.safetensors").relaxable() for folder in (run, stopped)
    )
    assert isinstance(trained, QuantizedNetwork)
    assert trained.formats.inputs == choose_input_format(4)
    assert isinstance(resumed, QuantizedNetwork)
    assert cases.same_network(resumed, trained)
    images = tmp_path / "images"
    invoke("export", run, "--format", "memh", "--vectors", 5, "--output", images)
    found = read_memory_images(images)
    assert cases.same_network(found.network, trained)
    assert found.vectors.inputs.max() > 8
    report = json.loads(invoke("hardware", "report", run, "--json"))
    assert report["dense"]["input_weights"] == 20 * 12 * 4
    output = invoke("quantize", float_run, "--bits", 8, "--input-bits", 6, "--threads", 1)
    assert "test accuracy" in output
    invoke("hardware", "report", float_run, "--bits", 8, "--input-bits", 6)
    refused = invoke("hardware", "report", float_run / "int8.safetensors", code=1)
    assert "does not say of which data" in " ".join(refused.split())


def test_commands_take_graded_inputs(tmp_path: Path) -> None:
    from binnet.hardware.network_files import save_network

    file, images = tmp_path / "a.safetensors", tmp_path / "images"
    save_network(file, cases.make_float())
    wide = ("--bits", "4", "--input-bits", "6", "--input-format", "signed")
    memh = ("--format", "memh", "--inputs", "random", "--output", str(images))
    invoke("export", file, *memh, *wide)
    found = read_memory_images(images)
    assert found.network.formats.inputs == choose_input_format(6, "signed")
    assert len(np.unique(found.vectors.inputs)) > 30
    output = tmp_path / "a.nir"
    refused = invoke("export", file, "--format", "nir", "--output", output, *wide[2:], code=1)
    assert "--input-bits 6 is of a network that is quantised here; add --bits" in refused
