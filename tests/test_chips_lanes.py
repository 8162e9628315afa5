"""Arithmetic of a lane, for every code that there is."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest

import naive_integer
from binnet.networks import QFormat

pytest.importorskip("amaranth")

from amaranth.hdl import Module, Shape, Signal, signed
from amaranth.sim import Simulator

from binnet.chips.lanes import decode_weight, expose_weight, saturate, step_register


def tabulate(
    function: Callable[[Any], Any], shape: Shape | int, values: Iterable[int]
) -> list[int]:
    """Values of a combinational function."""
    m, taken = Module(), Signal(shape)
    value = function(taken)
    given = Signal(value.shape())
    m.d.comb += given.eq(value)
    found = []

    async def bench(context: Any) -> None:
        for value in values:
            context.set(taken, value)
            found.append(context.get(given))

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()
    return found


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_codes_of_weights(bits: int) -> None:
    codes = range(1 << bits)
    half = 1 << (bits - 1)
    wanted = [-1, 1] if bits == 1 else [(code ^ half) - half for code in codes]
    assert tabulate(lambda code: decode_weight(code, bits), bits, codes) == wanted


@pytest.mark.parametrize(("stored", "bits"), [(2, 1), (4, 1), (8, 1), (4, 2), (8, 2), (8, 4)])
def test_what_fields_see_of_latent_weights(stored: int, bits: int) -> None:
    low, high = QFormat(bits, 0).low, QFormat(bits, 0).high
    if bits == 1:
        low, high = 1, -1  # as the reference takes the sign
    half = 1 << (stored - 1)
    weights = [(code ^ half) - half for code in range(1 << stored)]
    wanted = naive_integer.expose([weights], stored - bits, low, high)[0]
    got = tabulate(lambda code: expose_weight(code, stored, bits), stored, range(1 << stored))
    assert got == wanted


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_sums_hold_on_to_the_ends(bits: int) -> None:
    format = QFormat(bits, 0)
    values = range(-511, 512, 2) if bits == 1 else range(-512, 512)
    wanted = np.clip(values, format.low, format.high).tolist()
    assert tabulate(lambda value: saturate(value, bits), signed(10), values) == wanted


def test_steps_of_a_register() -> None:
    registers = np.random.default_rng(1).integers(1, 1 << 16, 500).tolist()
    wanted = [naive_integer.step_lfsr(register) for register in registers]
    assert tabulate(step_register, 16, registers) == wanted
