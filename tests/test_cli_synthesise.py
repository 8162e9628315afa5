"""`binnet hardware synthesise`: what it prints and writes, and what it refuses before any work."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import hardware_cases as cases
from binnet.chips import synthesis
from binnet.chips.design import CoreDesign, design_core
from binnet.chips.synthesis import SynthesisReport
from binnet.chips.synthesis_targets import Cells
from binnet.chips.throughput import count_throughput
from binnet.cli import main, synthesise
from binnet.hardware.network_files import save_network

CELLS = Cells(1000, 100, 500, 10, 25, 0, 0)


def binnet(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(main, ["hardware", "synthesise", *map(str, arguments)])
    assert result.exit_code == code, result.output
    assert code == 0 or isinstance(result.exception, SystemExit), "a traceback instead of a line"
    return " ".join(result.output.split()) if code else result.output


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of a network in integers; tools that say that any core up to 4 elements fits."""

    def pretend(
        design: CoreDesign, contents: object, target: str, *, place: bool, **options: Any
    ) -> SynthesisReport:
        options["progress"]("placing", 0.5)
        fits = design.elements <= 4
        frequency = 80.0 if fits and place else None
        reason = None if fits else "too large"
        return SynthesisReport(
            target, "25k", design.elements, CELLS, {}, 60.0, frequency, fits, reason, 1.0, {}
        )

    monkeypatch.setattr(synthesis, "check_tools", lambda tools: {"binnet": "1"})
    monkeypatch.setattr(synthesis, "synthesise", pretend)
    # Inputs of data, of which the small network has not as many.
    inputs = cases.draw_spins(20, cases.N_INPUTS, 3)
    monkeypatch.setattr(synthesise, "load_inputs", lambda run, source, samples: inputs[:samples])
    path = tmp_path / "network.safetensors"
    save_network(path, cases.make_quantized(4))
    return path


def test_a_core_is_reported_as_text_and_json(network: Path, tmp_path: Path) -> None:
    output = tmp_path / "report.json"
    text = binnet(network, "--target", "ecp5", "--elements", 4, "--output", output)
    for part in ("core that infers: H = 12", "P = 4", "fits, 80.0 MHz", "per second", "ODIN"):
        assert part in text, text
    record = json.loads(output.read_text())
    assert record["synthesis"]["frequency"] == 80.0
    assert record["design"]["elements"] == 4
    rates = record["throughput"]
    assert rates["inferences_per_second"] == pytest.approx(80e6 / rates["inference"])
    assert rates["samples_learned_per_second"] is None
    assert record["cost"]["dense"]["energy"] > 0
    assert record["published"][0]["name"] == "ODIN"
    assert record["command"]
    # Its own file may be replaced.
    shown = binnet(network, "--target", "ecp5", "--elements", 2, "--output", output, "--json")
    assert json.loads(shown)["synthesis"]["elements"] == 2
    assert json.loads(output.read_text()) == json.loads(shown)


def test_the_most_elements_are_found(network: Path) -> None:
    text = binnet(network, "--target", "ecp5", "--elements", "auto")
    assert "P = 8: does not fit: too large" in text
    assert "C = 3, P = 4" in text


def test_an_event_driven_core_counts_flips(network: Path) -> None:
    arguments = (network, "--target", "ecp5", "--elements", 4)
    record = json.loads(binnet(*arguments, "--event-driven", "--json"))
    assert record["design"]["event_driven"]
    design = make_event_driven(record["design"]["elements"])
    cost = record["cost"]
    expected = count_throughput(design, 80.0, cost["sweeps"], flips=cost["flips"])
    assert record["throughput"]["inference"] == expected.inference
    assert expected.inference > count_throughput(design, 80.0, cost["sweeps"]).inference
    assert "event-driven: H = 12" in binnet(*arguments, "--event-driven")


def make_event_driven(elements: int) -> CoreDesign:
    return design_core(cases.make_quantized(4), elements, event_driven=True)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--target", "ecp5", "--elements", 13), 1, "--elements must be an integer in 1..12"),
        (("--target", "ecp5", "--elements", "0"), 2, "neither a number from 1 nor auto"),
        (("--target", "ecp5", "--elements", "few"), 2, "neither a number from 1 nor auto"),
        (("--target", "ice40", "--device", "25k", "--elements", 1), 1, "hx1k, hx8k for ice40"),
        (("--target", "generic", "--elements", "auto"), 2, "or name P"),
        (("--target", "ecp5", "--elements", "auto", "--no-place"), 2, "or name P"),
        (("--target", "ecp5", "--elements", 1, "--learning"), 1, "--learning goes on with a run"),
        (("--target", "ecp5", "--elements", 1, "--output", "no/such/file"), 1, "does not exist"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(
    arguments: tuple[object, ...], code: int, message: str, network: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def work(*arguments: object, **options: object) -> None:
        raise AssertionError("the tools were run")

    monkeypatch.setattr(synthesis, "synthesise", work)
    assert message in binnet(network, *arguments, code=code)


def test_a_network_of_floats_needs_bits(network: Path, tmp_path: Path) -> None:
    path = tmp_path / "float.safetensors"
    save_network(path, cases.make_float())
    arguments = (path, "--target", "ecp5", "--elements", 4)
    assert "add --bits 1, 2, 4, 8 or 16" in binnet(*arguments, code=1)
    assert "4 / 4 / 4" in binnet(*arguments, "--bits", 4)


def test_a_missing_extra_is_named(network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def check(tools: object) -> None:
        raise ImportError("synthesis needs Yosys; pip install 'binnet[fpga]'")

    monkeypatch.setattr(synthesis, "check_tools", check)
    arguments = (network, "--target", "ecp5", "--elements", 4)
    assert "pip install 'binnet[fpga]'" in binnet(*arguments, code=1)


def test_the_extra_that_brings_everything_is_named_first(
    network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where Amaranth is missing as well, "hdl" alone would not be enough."""

    def check(tools: object) -> None:
        raise ImportError("synthesis needs Yosys; pip install 'binnet[fpga]'")

    monkeypatch.setattr(synthesis, "check_tools", check)
    monkeypatch.setitem(sys.modules, "binnet.chips.core", None)
    arguments = (network, "--target", "ecp5", "--elements", 4)
    assert "pip install 'binnet[fpga]'" in binnet(*arguments, code=1)
