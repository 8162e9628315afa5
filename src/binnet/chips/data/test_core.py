"""Plays stimulus.hex into binnet_core and compares with expected.hex, in cocotb.

In the folder of this file, with cocotb 2 (pip install cocotb) and Icarus Verilog or Verilator:

    python test_core.py                    # Icarus Verilog
    SIM=verilator python test_core.py      # Verilator, of a version that cocotb supports

Gaps between words and back pressure are random; COCOTB_RANDOM_SEED makes them others. The exit status
is 0 only if every word, and its flag `last`, came as expected.
"""

import os
import random
import sys
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge

HERE = Path(__file__).resolve().parent
TIME_OUT = @TIME_OUT@  # cycles without a word in or out: more than the longest command takes
QUIET = 256  # cycles at the end in which no word may come any more


def read_words(name):
    return [int(line, 16) for line in (HERE / name).read_text(encoding="ascii").split()]


@cocotb.test()
async def play_stimulus(dut):
    stimulus, expected = read_words("stimulus.hex"), read_words("expected.hex")
    n_sent = n_seen = idle = 0
    dut.rst.value = 1
    dut.s_axis_tvalid.value = 0
    dut.s_axis_tdata.value = 0
    dut.m_axis_tready.value = 0
    cocotb.start_soon(Clock(dut.clk, 10, unit="ns").start())
    for _ in range(4):
        await FallingEdge(dut.clk)
    dut.rst.value = 0
    is_offered = is_ready = False
    while idle < QUIET or n_sent < len(stimulus) or n_seen < len(expected):
        # Inputs change as the clock falls, half a cycle before the core looks at them.
        if not is_offered and n_sent < len(stimulus) and random.getrandbits(1):
            is_offered = True
            dut.s_axis_tdata.value = stimulus[n_sent]
        dut.s_axis_tvalid.value = int(is_offered)
        is_ready = bool(random.getrandbits(1))
        dut.m_axis_tready.value = int(is_ready)
        await RisingEdge(dut.clk)
        idle += 1
        if dut.m_axis_tvalid.value == 1 and is_ready:
            word = int(dut.m_axis_tlast.value) << 32 | int(dut.m_axis_tdata.value)
            assert n_seen < len(expected), f"word {word:09x} came after the last one expected"
            assert word == expected[n_seen], (
                f"word {n_seen} out is {word:09x}, expected {expected[n_seen]:09x}, "
                f"after {n_sent} words in"
            )
            n_seen += 1
            idle = 0
        if is_offered and dut.s_axis_tready.value == 1:
            n_sent += 1
            is_offered = False
            idle = 0
        assert idle < TIME_OUT, f"the core hangs after {n_sent} words in and {n_seen} words out"
        await FallingEdge(dut.clk)
    dut._log.info("%d words in, %d words out as expected", n_sent, n_seen)


def main():
    from cocotb_tools.check_results import get_results
    from cocotb_tools.runner import get_runner

    runner = get_runner(os.environ.get("SIM", "icarus"))
    runner.build(
        sources=[HERE / "core.v"],
        hdl_toplevel="binnet_core",
        build_dir=HERE / "sim_build",
        always=True,
        timescale=("1ns", "1ps"),
    )
    # The core reads its memories' files from the folder in which it runs.
    results = runner.test(
        hdl_toplevel="binnet_core", test_module="test_core", build_dir=HERE / "sim_build", test_dir=HERE
    )
    n_tests, n_failures = get_results(results)
    return 1 if n_failures or not n_tests else 0


if __name__ == "__main__":
    sys.exit(main())
