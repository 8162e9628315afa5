"""Kernels called by address: what a direct call gives, compiled once, also in the next process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from binnet_kernels._jit import inner_kernel, kernel
from binnet_kernels.lowlevel.calls import call, find_address, invoke


class Line(NamedTuple):
    slope: float
    offsets: np.ndarray


@kernel
def draw_line(line, n, out):
    for k in range(n):
        out[k] += line.slope * k + line.offsets[k]


@inner_kernel
def draw_line_inside(line, n, out):
    draw_line(line, n, out)


@kernel
def draw_by_address(address, line, n, out):
    call(address, line, n, out)


@kernel
def draw_with(addresses, line, n, out):
    """Call one after the other: the addresses are numbers, not part of what is compiled."""
    for k in range(addresses.shape[0]):
        call(addresses[k], line, n, out)


@inner_kernel
def draw_falling(line, n, out):
    for k in range(n):
        out[k] -= line.slope * k


@inner_kernel
def count_up(amounts, by):
    for k in range(amounts.shape[0]):
        amounts[k] += by


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
def test_a_call_by_address_is_the_direct_call(dtype: type) -> None:
    line = Line(0.75, np.arange(8, dtype=dtype) / 4)
    direct, by_address, invoked = (np.ones(8, dtype) for _ in range(3))
    draw_line(line, 5, direct)
    for compiled in (draw_line, draw_line_inside):
        by_address[:] = 1
        draw_by_address(find_address(compiled, line, 5, by_address), line, 5, by_address)
        assert by_address.tolist() == direct.tolist()
    invoke(draw_line_inside, line, 5, invoked)
    assert invoked.tolist() == direct.tolist()
    assert direct[5:].tolist() == [1, 1, 1]
    assert direct[4] == dtype(1 + 3 + line.offsets[4])


def test_addresses_are_chosen_at_run_time() -> None:
    line, out = Line(2.0, np.ones(4)), np.zeros(4)
    addresses = [find_address(steps, line, 4, out) for steps in (draw_line_inside, draw_falling)]
    for order in (addresses, addresses[::-1]):
        out[:] = 0
        draw_with(np.array(order), line, 4, out)
        assert out.tolist() == [1, 1, 1, 1]
    assert len(draw_with.overloads) == 1


def test_a_kernel_is_compiled_once_for_each_type() -> None:
    assert not count_up.overloads
    floats, integers = np.zeros(3), np.zeros(3, np.int64)
    address = find_address(count_up, floats, 1.0)
    assert find_address(count_up, np.zeros(7), 2.5) == address
    assert len(count_up.overloads) == 1
    assert find_address(count_up, integers, 1) != address
    assert len(count_up.overloads) == 2
    invoke(count_up, floats, 0.5)
    invoke(count_up, integers, 2)
    assert len(count_up.overloads) == 2
    assert (floats.tolist(), integers.tolist()) == ([0.5] * 3, [2] * 3)


SCRIPT = """
import json
import numpy as np
from binnet_kernels.lowlevel import calls
from binnet_kernels.rules import events
from binnet_kernels.training.records import Model

model = Model(*[np.zeros(1)] * len(Model._fields))._replace(
    scales=np.ones(3), ties=np.zeros(0), readout=np.zeros((1, 1)), feedback=np.zeros((1, 1))
)
memory = events.make_memory(np.full(3, 0.5))
rule = events.FloatRule(np.ones(3), np.full(3, 0.25), np.zeros(3), np.ones(2), np.ones(2))
address = calls.find_address(events.begin_batch, rule, memory, model, 0, 1.0, 4)
for _ in range(2):
    calls.invoke(events.begin_batch, rule, memory, model, 0, 1.0, 4)
dispatchers = [events.begin_batch, calls._call]
print(json.dumps({
    "rates": memory.rates.tolist(), "scales": memory.scales.tolist(), "address": address != 0,
    "loaded": [sum(one.stats.cache_hits.values()) for one in dispatchers],
    "compiled": [sum(one.stats.cache_misses.values()) for one in dispatchers],
}))
"""


def test_the_next_process_compiles_nothing(tmp_path: Path) -> None:
    """The address is another one in every process; the code is found in the cache."""
    results = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", SCRIPT],
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        results.append(json.loads(done.stdout))
    first, second = results
    assert (first.pop("loaded"), first.pop("compiled")) == ([0, 0], [1, 1])
    assert (second.pop("loaded"), second.pop("compiled")) == ([1, 1], [0, 0])
    assert first == second
    assert first["address"]
    # Twice: 0.5 (1 - 0.25)**2, and rates 1 / sqrt(4) of weights that are stored divided by that.
    assert first["scales"] == [0.28125] * 3
    assert first["rates"] == [0.5 / 0.28125] * 3
