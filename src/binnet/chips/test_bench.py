"""Words that a test bench plays into a core: runs, and what a run alone would not show.

A fault hides where the samples of a run do not go: sums at the end of their width, fields of 0,
readouts that tie, 2-cycles, states that an inference before has left. The words here go there, by
other weights in the core's memories where its own do not, and put back what they found. What must
come out is what `binnet.chips.model.CoreModel` answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from binnet.chips import protocol
from binnet.chips.bit_strings import extend_sign
from binnet.chips.contents import lay_out
from binnet.chips.design import CoreDesign, CoreLearning
from binnet.chips.registers import list_registers
from binnet.hardware.golden_vectors import GoldenVectors

BLOCKS = ("couplings", "input_weights", "readout")
TRACE, STOP_AT_CYCLE = 1, 2  # bits of CONTROL
Integers = NDArray[np.int64]
_UNKNOWN = 0xEE  # no operation, register or memory has this number


def inference_stimulus(
    design: CoreDesign, contents: Mapping[str, Integers], vectors: GoldenVectors
) -> list[int]:
    """Return words that show what a core does without learning.

    Registers and memories are read; the vectors run, each silent one after one that is awake; then
    the worst fields of both signs, ties of fields and readouts, a 2-cycle with and without a stop,
    a fixed point at once, MAX_SWEEPS of 1 and of 0, and commands that are wrong.

    Parameters
    ----------
    design : CoreDesign
        The core.
    contents : mapping of str to ndarray
        What its memories hold, from `binnet.chips.contents.fill_memories`.
    vectors : GoldenVectors
        Inputs and states to begin with.

    Returns
    -------
    list of int
        The words. They leave the weights as they were, CONTROL at trace, and STATUS clear.
    """
    script = _Script(design, contents)
    script.read_registers()
    script.read_memories()
    script.set(CONTROL=TRACE, MAX_SWEEPS=min(vectors.states.shape[1], 0xFFFF))
    n = len(vectors.inputs)
    awake = np.flatnonzero(~vectors.silent)
    for k in [*np.flatnonzero(vectors.silent), *awake, *np.flatnonzero(vectors.silent)[:2]]:
        start = None if vectors.silent[k] else vectors.initial_states[k]
        script.infer(vectors.inputs[k], start)
    for k in range(min(2, n)):
        # What the silent start finds is what it leads to: nothing may be settled yet.
        for n_sweeps in (1, 1, 2):
            script.set(MAX_SWEEPS=n_sweeps)
            script.infer(vectors.inputs[k])
    script.set(MAX_SWEEPS=min(vectors.states.shape[1], 0xFFFF), CONTROL=0)
    script.infer(vectors.inputs[0])
    script.set(CONTROL=TRACE)
    script.go_to_worst_fields()
    script.tie()
    script.cycle()
    script.settle_at_once()
    script.restore()
    script.read_memories()
    script.err()
    return script.words


def learning_stimulus(
    design: CoreDesign,
    inputs: ArrayLike,
    labels: ArrayLike,
    settings: Mapping[int, Sequence[int]] | None = None,
) -> list[int]:
    """Return words that show what a core learns: all states, and all weights after each update.

    Parameters
    ----------
    design : CoreDesign
        A core that learns.
    inputs : array_like of int, shape (K, N_in)
        Samples in the order in which they are learned.
    labels : array_like of int, shape (K,)
        Their classes.
    settings : mapping of int to sequence of int, optional
        Words to play before sample k, such as those of registers that the driver sets.

    Returns
    -------
    list of int
        The words. A batch that is not full at the end is ended by UPDATE.

    Raises
    ------
    ValueError
        If the core does not learn.
    """
    if design.learning is None:
        raise ValueError("the core must be one that learns; design it with learning=")
    script, size = _Script(design, {}), design.learning.batch_size
    script.set(CONTROL=TRACE)
    X, classes = np.asarray(inputs), np.asarray(labels)
    for k, (x, label) in enumerate(zip(X, classes, strict=True)):
        script.words += (settings or {}).get(k, ())
        script.words += protocol.learn(design, x, label)
        is_last = k == len(X) - 1
        if is_last and (k + 1) % size:
            script.words += protocol.update()
        if is_last or (k + 1) % size == 0:
            script.read_memories()
    script.words += protocol.get_register(design, "BATCHES")
    return script.words


class _Script:
    """Words, as they are put together for one core."""

    def __init__(self, design: CoreDesign, contents: Mapping[str, Integers]) -> None:
        self.design, self.contents = design, contents
        self.words: list[int] = []

    # ---- commands

    def set(self, **values: int) -> None:
        for name, value in values.items():
            self.words += protocol.set_register(self.design, name, value)

    def infer(self, x: ArrayLike, states: ArrayLike | None = None) -> None:
        self.words += protocol.infer(self.design, x, states)

    def read_registers(self) -> None:
        for register in list_registers(self.design):
            self.words += protocol.get_register(self.design, register.name)

    def read_memories(self) -> None:
        for memory in self.design.memories:
            self.words += protocol.read_memory(memory, 0, memory.words)

    def write(self, **blocks: Integers) -> None:
        """Write weights as the fields see them, each block of shape (targets, presynaptic)."""
        for name, weights in blocks.items():
            number = BLOCKS.index(name)
            shown, stored = self.design.weight_bits[number], self.design.stored_bits[number]
            if name == "couplings":  # whatever is on the diagonal
                weights = np.where(np.eye(len(weights)) > 0, -1, weights)
            words = lay_out(weights.T << (stored - shown), self.design.elements)
            self.words += protocol.write_memory(self.design.memories[number], 0, words)

    def restore(self) -> None:
        for memory in self.design.memories:
            self.words += protocol.write_memory(memory, 0, self.contents[memory.name])
        self.set(SELF_COUPLING=self.design.self_coupling)

    # ---- weights and inputs

    def rows(self, block: str, value: Any, *, first_only: bool = False) -> Integers:
        """Return a block of which each row holds the row's value, or does so in its first place."""
        shape = self._shape(block)
        weights = np.broadcast_to(np.reshape(value, (-1, 1)), shape).astype(np.int64)
        if first_only and self.bits(block) > 1:  # one bit knows no 0
            weights[:, 1:] = 0
        return weights

    def nothing(self, block: str) -> Integers:
        """Return a block that adds nothing for equal spins, or, of one bit, as little as it can."""
        n_rows, n = self._shape(block)
        alternating = 1 - 2 * (np.arange(n) % 2)
        return np.tile(alternating * (self.bits(block) == 1), (n_rows, 1))

    def bits(self, block: str) -> int:
        return self.design.weight_bits[BLOCKS.index(block)]

    def own(self, block: str) -> Integers:
        """Return the core's own weights of a block, as the fields see them."""
        n_rows, n = self._shape(block)
        words = self.contents[block].reshape(-1, n, self.design.elements)
        return words.transpose(0, 2, 1).reshape(-1, n)[:n_rows]

    def ends(self, sign: int) -> tuple[int, int]:
        """Return the lowest and highest input, or the other way round where sign < 0."""
        bits, signed = self.design.input_bits, self.design.input_signed
        if bits == 1:
            low, high = -1, 1
        else:
            low = int(extend_sign(1 << (bits - 1), bits)) if signed else 0
            high = (1 << (bits - signed)) - 1
        return (low, high) if sign > 0 else (high, low)

    @property
    def unit(self) -> Integers:
        """An input that adds the first input's weights once; spins cannot but add all."""
        x = np.ones(self.design.n_inputs, np.int64)
        if self.design.input_bits > 1:
            x[1:] = 0
        return x

    @property
    def pattern(self) -> Integers:
        """States with both signs."""
        return np.where(np.arange(self.design.n_neurons) % 3 == 1, -1, 1)

    def _shape(self, block: str) -> tuple[int, int]:
        H, N_in, C = self.design.n_neurons, self.design.n_inputs, self.design.n_outputs
        return {"couplings": (H, H), "input_weights": (H, N_in), "readout": (C, H)}[block]

    # ---- where faults hide

    def hold(self, states: Integers) -> None:
        """Write weights that lead from anywhere to some states, and hold them there."""
        couplings = np.outer(states, states) * (self.bits("couplings") == 1)
        self.write(
            couplings=couplings,
            input_weights=self.rows("input_weights", states, first_only=True),
        )
        self.set(SELF_COUPLING=0)

    def go_to_worst_fields(self) -> None:
        """Reach the sums for which the accumulators are as wide as they are."""
        self.set(MAX_SWEEPS=1)
        if self.design.learning is None:
            self.align({name: self.own(name) for name in BLOCKS})
        else:  # any weights must fit there
            for is_high in (False, True):
                self.align(self.write_ends(is_high))
            self.learn_worst_field(self.design.learning)
        self.restore()

    def write_ends(self, is_high: bool) -> dict[str, Integers]:
        """Write the lowest stored weights everywhere, or the highest, and return them."""
        blocks = {}
        for number, name in enumerate(BLOCKS):
            bits = self.design.stored_bits[number]
            low, high = (-1, 1) if bits <= 2 else (-1 << (bits - 1), (1 << (bits - 1)) - 1)
            blocks[name] = self.rows(name, high if is_high else low)
            words = lay_out(blocks[name].T, self.design.elements)
            self.words += protocol.write_memory(self.design.memories[number], 0, words)
        return blocks

    def align(self, blocks: Mapping[str, Integers]) -> None:
        """Let spins and inputs align with the weights of the largest field, and against them."""
        J = blocks["couplings"] * (1 - np.eye(self.design.n_neurons, dtype=np.int64))
        W_in, W_out = blocks["input_weights"], blocks["readout"]
        size = abs(J).sum(axis=1) << self.design.coupling_shift
        i = int((size + (abs(W_in).sum(axis=1) << self.design.input_shift)).argmax())
        for sign in (1, -1):
            for_negative, for_positive = self.ends(sign)
            x = np.where(W_in[i] < 0, for_negative, for_positive)
            self.infer(x, np.where(J[i] < 0, -sign, sign))
        c = int(abs(W_out).sum(axis=1).argmax())
        for sign in (1, -1):
            self.hold(np.where(W_out[c] < 0, -sign, sign))
            self.infer(self.unit)
        self.set(SELF_COUPLING=self.design.self_coupling)

    def learn_worst_field(self, learning: CoreLearning) -> None:
        """Add the feedback to the worst field, in a relaxation that learns nothing."""
        n_labels, H = self.design.n_outputs, self.design.n_neurons
        feedback = self.contents["feedback"].reshape(n_labels, -1)[:, :H]
        self.set(LEARNS=0, DECAYS=0, WARMUP=0, FEEDBACK=2, SWEEPS=3, BATCH_SIZE=1)
        self.write_ends(is_high=True)
        for sign in (1, -1):
            label = int((sign * feedback).max(axis=1).argmax())
            _, x = self.ends(sign)
            self.words += protocol.learn(self.design, np.full(self.design.n_inputs, x), label)
        self.set(
            LEARNS=sum((k is not None) << n for n, k in enumerate(learning.exponents)),
            DECAYS=sum((k is not None) << n for n, k in enumerate(learning.decays)),
            WARMUP=learning.warmup,
            FEEDBACK=learning.feedback,
            SWEEPS=learning.sweeps,
            BATCH_SIZE=learning.batch_size,
            BATCHES=0,
        )

    def tie(self) -> None:
        """Fields of 0 are +1; the lowest of the classes that tie wins."""
        H, C = self.design.n_neurons, self.design.n_outputs
        self.set(SELF_COUPLING=0, MAX_SWEEPS=2)
        self.write(**{name: self.nothing(name) for name in BLOCKS[:2]})
        x = self.unit
        if self.bits("input_weights") == 1 and self.design.input_bits == 1 and len(x) % 2:
            x = x * -1  # as near to a tie as an odd number of them comes
        self.infer(x)
        self.infer(x, np.full(H, -1))
        self.hold(self.pattern)
        ones = np.ones(C, np.int64)
        for classes in (ones, np.where(np.arange(C) == 0, -1, 1), np.arange(C) % 2 * 2 - 1):
            one = self.pattern[0] * classes
            readout = self.rows("readout", one, first_only=True)
            if self.bits("readout") == 1:
                readout = np.outer(classes, self.pattern)
            self.write(readout=readout)
            self.infer(self.unit)
        self.restore()

    def cycle(self) -> None:
        """Two neurons that take turns, or all of them, end where they are told to."""
        H = self.design.n_neurons
        if H == 1:
            return
        couplings = np.full((H, H), -1)
        if self.bits("couplings") > 1:
            couplings[:] = 0
            couplings[0, 1] = couplings[1, 0] = -1
        self.write(couplings=couplings, input_weights=self.nothing("input_weights"))
        self.set(SELF_COUPLING=0)
        for control in (TRACE, TRACE | STOP_AT_CYCLE, STOP_AT_CYCLE):
            for n_sweeps in (2, 3, 7):
                self.set(CONTROL=control, MAX_SWEEPS=n_sweeps)
                self.infer(self.unit)
                self.infer(self.unit, np.full(H, -1))
        self.set(CONTROL=TRACE)
        self.restore()

    def settle_at_once(self) -> None:
        """A fixed point to begin with takes one sweep, also where their number is not limited."""
        self.hold(self.pattern)
        for n_sweeps in (0, 1, 5):
            self.set(MAX_SWEEPS=n_sweeps)
            self.infer(self.unit, self.pattern)
            self.infer(self.unit, -self.pattern)
            self.infer(self.unit)
        self.restore()

    def err(self) -> None:
        """Commands that are wrong are passed over and leave a note in STATUS."""
        memory = self.design.memories[0]
        first, last_address = protocol.pack_header(_UNKNOWN), memory.words - 1
        last = self.contents[memory.name][[-1]]
        wrong: Iterable[list[int]] = (
            [first],
            [protocol.pack_header(protocol.Operation.GET, _UNKNOWN)],
            [protocol.pack_header(protocol.Operation.READ, _UNKNOWN)],
            protocol.read_memory(memory, last_address, 2),
            protocol.write_memory(memory, last_address, np.repeat(last, 2, axis=0)),
        )
        for words in wrong:
            self.words += [*words, *protocol.get_register(self.design, "STATUS")]
            self.set(CONTROL=TRACE)
            self.words += protocol.get_register(self.design, "STATUS")
