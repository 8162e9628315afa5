"""A core in Amaranth's simulator beside its model: all words that come out, one by one.

The simulator is plain Python, some thousand cycles a second: meant for small cores.

The module needs the extra "hdl".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from binnet.chips.contents import Contents
from binnet.chips.core import Core
from binnet.chips.design import CoreDesign
from binnet.chips.model import CoreModel

_PATIENCE = 1_000_000  # cycles without a word in or out, before a core is said to hang
_INVALID = 0xDEADBEEF
_AFTERWARDS = 8  # cycles in which nothing more may come out


def simulate_core(
    circuit: Any,
    words: Sequence[int],
    n_answers: int,
    *,
    stalls: float = 0.0,
    rng: np.random.Generator | None = None,
) -> tuple[list[tuple[int, bool]], int]:
    """Run a core in Amaranth's simulator.

    Parameters
    ----------
    circuit : Component
        A core, or another component with its streams.
    words : sequence of int
        What goes in.
    n_answers : int
        Words that are to come out.
    stalls : float, default 0.0
        Probability, in each cycle, that no new word is offered, and that none is taken.
    rng : Generator, optional
        Random numbers for it. Default: a fixed seed.

    Returns
    -------
    answers : list of (int, bool)
        Words that came out, and whether each was the last one of its answer.
    cycles : int
        Cycles until the last word came out.

    Raises
    ------
    ValueError
        If nothing goes in or comes out any more, though it should, or a word changes while it
        waits to be taken.
    """
    from amaranth.sim import Simulator

    random = np.random.default_rng(0) if rng is None else rng
    ports = (circuit.s_axis_tdata, circuit.s_axis_tvalid, circuit.m_axis_tready)
    answers: list[tuple[int, bool]] = []
    cycles = 0

    async def bench(context: Any) -> None:
        nonlocal cycles
        n_taken, idle, afterwards = 0, 0, 0
        offers = False
        driven: tuple[int, ...] = (-1, -1, -1)
        waiting = None  # the word that stood there and was not taken
        while afterwards < _AFTERWARDS:
            offers = offers or (n_taken < len(words) and random.random() >= stalls)
            takes = random.random() >= stalls
            # What is not valid must not be read.
            inputs = (words[n_taken] if offers else _INVALID, int(offers), int(takes))
            for n, port in enumerate(ports):
                if inputs[n] != driven[n]:  # to drive one takes the simulator a while
                    context.set(port, inputs[n])
            driven = inputs
            is_in = offers and context.get(circuit.s_axis_tready)
            there = None
            if context.get(circuit.m_axis_tvalid):
                there = (context.get(circuit.m_axis_tdata), bool(context.get(circuit.m_axis_tlast)))
            if waiting not in (None, there):
                raise ValueError(f"word {len(answers)} must wait as {waiting}, it became {there}")
            await context.tick()
            is_out = takes and there is not None
            waiting = None if is_out else there
            if is_in:
                n_taken, offers = n_taken + 1, False
            if is_out and there is not None:
                answers.append(there)
            idle = 0 if is_in or is_out else idle + 1
            if n_taken == len(words) and len(answers) >= n_answers:
                afterwards += 1
            else:
                cycles += 1
            if idle > _PATIENCE:
                raise ValueError(
                    f"the core hangs: {n_taken} of {len(words)} words went in, {len(answers)} of "
                    f"{n_answers} came out, and then none in {_PATIENCE} cycles"
                )

    simulator = Simulator(circuit)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return answers, cycles


def compare_core(
    design: CoreDesign,
    contents: Contents,
    words: Sequence[int],
    *,
    stalls: float = 0.0,
    rng: np.random.Generator | None = None,
) -> tuple[int, int]:
    """Run a core and its model, and compare every word.

    Parameters
    ----------
    design : CoreDesign
        The core.
    contents : dict of str to ndarray
        Initial contents of its memories.
    words : sequence of int
        What goes in.
    stalls, rng : optional
        As for `simulate_core`.

    Returns
    -------
    n_words, cycles : int
        Words that were compared, and cycles that the core took.

    Raises
    ------
    ValueError
        If a word differs; the message says which.
    """
    expected = CoreModel(design, contents).run(words)
    found, cycles = simulate_core(
        Core(design, contents), words, len(expected), stalls=stalls, rng=rng
    )
    for n, (got, right) in enumerate(zip(found, expected, strict=False)):
        if got != right:
            raise ValueError(
                f"word {n} of {len(expected)} must be {right[0]:#010x} (last: {right[1]}), the "
                f"circuit gave {got[0]:#010x} (last: {got[1]})"
            )
    if len(found) != len(expected):
        raise ValueError(f"{len(expected)} words must come out, the circuit gave {len(found)}")
    return len(expected), cycles
