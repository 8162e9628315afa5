"""Circuits of cores in Amaranth's simulator: words in, words and cycles out."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from amaranth.sim import Simulator

from binnet.chips.core import Core

MOST_CYCLES = 200_000


def run_core(
    core: Core, words: Sequence[int], n_answers: int, gaps: float = 0.0, seed: int = 0
) -> tuple[list[tuple[int, bool]], list[int]]:
    """Send words, and return the words that come and the cycle of each.

    In a part `gaps` of the cycles no word is offered, and in as many none is taken.
    """
    rng = np.random.default_rng(seed)
    answers: list[tuple[int, bool]] = []
    cycles: list[int] = []

    async def send(context: Any) -> None:
        for word in words:
            while rng.random() < gaps:
                await context.tick()
            context.set(core.s_axis_tdata, int(word))
            context.set(core.s_axis_tvalid, 1)
            is_taken = False
            while not is_taken:
                *_, is_taken = await context.tick().sample(core.s_axis_tready)
            context.set(core.s_axis_tvalid, 0)

    async def receive(context: Any) -> None:
        ports = (core.m_axis_tvalid, core.m_axis_tdata, core.m_axis_tlast)
        for cycle in range(MOST_CYCLES):
            if len(answers) == n_answers:
                return
            is_ready = rng.random() >= gaps
            context.set(core.m_axis_tready, is_ready)
            *_, is_valid, data, last = await context.tick().sample(*ports)
            if is_valid and is_ready:
                answers.append((data, bool(last)))
                cycles.append(cycle)
        raise AssertionError(f"{len(answers)} of {n_answers} words after {MOST_CYCLES} cycles")

    simulator = Simulator(core)
    simulator.add_clock(1e-6)
    simulator.add_testbench(send)
    simulator.add_testbench(receive)
    simulator.run()
    return answers, cycles
