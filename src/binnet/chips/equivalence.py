"""A core in Amaranth's simulator beside its model: all words that come out, one by one.

The simulator is plain Python, some thousand cycles a second: meant for small cores.

The module needs the extra "hdl".
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from binnet.chips.contents import Contents
from binnet.chips.core import Core
from binnet.chips.cycles import count_longest_command
from binnet.chips.design import CoreDesign
from binnet.chips.model import CoreModel
from binnet.chips.parts import NO_LIMIT
from binnet.chips.protocol import Operation
from binnet.chips.registers import list_registers

_LIMITS = ("MAX_SWEEPS", "SWEEPS")
_STALLED = 1000  # cycles in which by chance no word is offered, or none taken
_INVALID = 0xDEADBEEF
_AFTERWARDS = 8  # cycles in which nothing more may come out


def simulate_core(
    circuit: Core,
    words: Sequence[int],
    n_answers: int,
    *,
    stalls: float = 0.0,
    rng: np.random.Generator | None = None,
) -> tuple[list[tuple[int, bool]], int]:
    """Run a core in Amaranth's simulator.

    Parameters
    ----------
    circuit : Core
        The core.
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

    bench = _Bench(circuit, words, n_answers, stalls, rng or np.random.default_rng(0))
    simulator = Simulator(circuit)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench.play)
    simulator.run()
    return bench.answers, bench.cycles


class _Bench:
    """What stands around a core: it offers words and takes those that come out."""

    def __init__(
        self,
        circuit: Core,
        words: Sequence[int],
        n_answers: int,
        stalls: float,
        rng: np.random.Generator,
    ) -> None:
        self.circuit, self.words, self.n_answers = circuit, words, n_answers
        self.stalls, self.rng = stalls, rng
        self.patience = _count_patience(circuit.design, words)
        self.answers: list[tuple[int, bool]] = []
        self.cycles = 0
        self.n_taken = 0
        self.driven: tuple[int, ...] = (-1, -1, -1)

    async def play(self, context: Any) -> None:
        """Play the words; cycle after cycle."""
        idle, afterwards, offers = 0, 0, False
        waiting = None  # the word that stood there and was not taken
        while afterwards < _AFTERWARDS:
            has_more = self.n_taken < len(self.words)
            offers = offers or (has_more and self.rng.random() >= self.stalls)
            takes = self.rng.random() >= self.stalls
            self._drive(context, offers, takes)
            is_in = offers and context.get(self.circuit.s_axis_tready)
            there = self._look(context)
            if waiting not in (None, there):
                raise ValueError(
                    f"word {len(self.answers)} must wait as {waiting}, it became {there}"
                )
            await context.tick()
            is_out = takes and there is not None
            waiting = None if is_out else there
            if is_in:
                self.n_taken, offers = self.n_taken + 1, False
            if is_out and there is not None:
                self.answers.append(there)
            idle = 0 if is_in or is_out else idle + 1
            if self.n_taken == len(self.words) and len(self.answers) >= self.n_answers:
                afterwards += 1
            else:
                self.cycles += 1
            if idle > self.patience:
                raise ValueError(
                    f"the core hangs: {self.n_taken} of {len(self.words)} words went in, "
                    f"{len(self.answers)} of {self.n_answers} came out, and then none in "
                    f"{self.patience} cycles"
                )

    def _drive(self, context: Any, offers: bool, takes: bool) -> None:
        core = self.circuit
        ports = (core.s_axis_tdata, core.s_axis_tvalid, core.m_axis_tready)
        # What is not valid must not be read.
        inputs = (self.words[self.n_taken] if offers else _INVALID, int(offers), int(takes))
        for port, value, old in zip(ports, inputs, self.driven, strict=True):
            if value != old:  # to drive one takes the simulator a while
                context.set(port, value)
        self.driven = inputs

    def _look(self, context: Any) -> tuple[int, bool] | None:
        """Return the word that comes out."""
        core = self.circuit
        if not context.get(core.m_axis_tvalid):
            return None
        return context.get(core.m_axis_tdata), bool(context.get(core.m_axis_tlast))


def _count_patience(design: CoreDesign, words: Sequence[int]) -> int:
    """Return cycles without a word in or out, after which a core is said to hang.

    A word of data that looks like a command makes it larger at most.
    """
    numbers = {row.number: row for row in list_registers(design) if row.name in _LIMITS}
    limits = [row.reset for row in numbers.values()]
    for header, value in pairwise(words):
        if header & 0xFF == Operation.SET and header >> 8 & 0xFF in numbers:
            limits.append(value & NO_LIMIT or NO_LIMIT)
    return count_longest_command(design, max(limits)) + _STALLED


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
