"""Words of 32 bits that go into a core and come out of it.

A command is a header and what follows it, in one stream; answers come in another, in the order of
the commands. In the header, bits 7..0 are the operation, 15..8 its argument a, 31..16 its argument
n.

=======  ==  =========================  ========================================================
SET      1   a: register                1 word, its value -> nothing
GET      2   a: register                -> 1 word
INFER    3   a: 1 if states follow      the inputs, then perhaps the states -> a result
LEARN    4   n: label                   the inputs -> a result; after the last sample of a batch
                                        the weights change before the next command is taken
UPDATE   5                              end a batch before it is full -> nothing
WRITE    6   a: memory                  first address, count, then count words of the memory
                                        -> nothing
READ     7   a: memory                  first address, count -> count words of the memory
=======  ==  =========================  ========================================================

*Inputs*: input n at bits n b .. n b + b - 1 of one long string of bits, which is cut into words of
32, the first lowest; the last is filled with zeros. *States* and masks: for each group of neurons
ceil(P / 32) words, lane 0 at the lowest bit, 1 for +1, lanes beyond the last neuron 0. *Words of a
memory*: as wide as it is, filled to words of 32 bits, the lowest first.

A *result* is one word: bits 7..0 the label with the largest readout field (the lowest such class in
a tie), bit 8 that the last sweep changed nothing, bit 9 that it closed a 2-cycle, bits 31..16 the
sweeps that were done. With trace it is preceded by the states after each sweep that was done, the C
readout fields as integers of 32 bits, and, where it learns, the mask of the hidden neurons that
learn and that of the readouts. The last word of every answer has `last` set.

*When it ends*, as `binnet.relax` does: an inference ends with a sweep that changes nothing (from
silence not the first, which wakes all), after MAX_SWEEPS, or, where CONTROL asks for it, at a
2-cycle: s_t = s_(t-2), with s_t the state after sweep t = 1, 2, ... It is looked for from t = 3 on,
also where states were given: s_2 equal to them is not noticed. Bit 9 says the same of the last
sweep of an inference, whatever CONTROL asks for; of LEARN it is 0. A relaxation that learns leaves
out the sweeps after one that changed nothing until the feedback changes; `sweeps` does not count
them, and bit 8 is that of the last one that was done.

*What is wrong*: a command that is unknown, that this core does not have, or that names a register,
memory or label that is not there, sets bit 0 of STATUS and is passed over with its header alone. An
address beyond the end of its memory sets bit 1; its words are taken and dropped, or read as 0. SET
of a register that cannot be written takes its word and changes nothing. UPDATE of no sample changes
nothing, and is no update that BATCHES counts. A batch ends with the LEARN that makes it BATCH_SIZE
samples or more, or as many as the core was built for. SWEEPS = 0, as MAX_SWEEPS = 0, counts as
65535.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from binnet.chips.bit_strings import (
    WORD_MASK,
    count_state_words,
    extend_sign,
    pack_codes,
    pack_inputs,
    pack_states,
    unpack_codes,
    unpack_states,
)
from binnet.chips.design import WORD_BITS, CoreDesign, CoreMemory
from binnet.chips.registers import find_register


class Operation(IntEnum):
    """Operations of a header."""

    SET = 1
    GET = 2
    INFER = 3
    LEARN = 4
    UPDATE = 5
    WRITE = 6
    READ = 7


@dataclass(frozen=True, eq=False)
class Result:
    """What an inference, or a sample that was learned, is answered with; T sweeps were done.

    Attributes
    ----------
    label : int
        The class with the largest readout field, the lowest such in a tie.
    is_fixed : bool
        Whether the last sweep changed nothing.
    is_cycle : bool
        Whether it closed a 2-cycle.
    sweeps : int
        T.
    states : ndarray of int8, shape (T, H)
        States after each sweep; without trace, shape (0, H).
    readout_fields : ndarray of int64, shape (C,)
        f_c of the last state; without trace, shape (0,).
    learns : ndarray of bool, shape (H,)
        Hidden neurons that learn; shape (0,) where nothing is learned or traced.
    readout_learns : ndarray of bool, shape (C,)
        Readouts that learn, likewise.
    """

    label: int
    is_fixed: bool
    is_cycle: bool
    sweeps: int
    states: NDArray[np.int8]
    readout_fields: NDArray[np.int64]
    learns: NDArray[np.bool_]
    readout_learns: NDArray[np.bool_]


# ---- commands


def pack_header(operation: int, argument: int = 0, number: int = 0) -> int:
    """Return the header of a command.

    Parameters
    ----------
    operation : int
        One of `Operation`.
    argument : int, default 0
        a, 8 bits.
    number : int, default 0
        n, 16 bits.

    Returns
    -------
    int
        The word.
    """
    return int(operation) | argument << 8 | number << 16


def set_register(design: CoreDesign, name: str, value: int) -> list[int]:
    """Return the words that give a register a value.

    Parameters
    ----------
    design : CoreDesign
        The core.
    name : str
        The register.
    value : int
        The value; a negative one in two's complement.

    Returns
    -------
    list of int
        The words.
    """
    return [pack_header(Operation.SET, find_register(design, name)), value & WORD_MASK]


def get_register(design: CoreDesign, name: str) -> list[int]:
    """Return the words that ask for a register.

    Parameters
    ----------
    design : CoreDesign
        The core.
    name : str
        The register.

    Returns
    -------
    list of int
        The words.
    """
    return [pack_header(Operation.GET, find_register(design, name))]


def infer(design: CoreDesign, x: ArrayLike, states: ArrayLike | None = None) -> list[int]:
    """Return the words that ask for an inference.

    Parameters
    ----------
    design : CoreDesign
        The core.
    x : array_like of int, shape (N_in,)
        Spins, or integers of the inputs' format.
    states : array_like, shape (H,), optional
        Spins to begin with. Default: silence.

    Returns
    -------
    list of int
        The words.
    """
    start = [] if states is None else pack_states(design, states)
    header = pack_header(Operation.INFER, int(states is not None))
    return [header, *pack_inputs(design, x), *start]


def learn(design: CoreDesign, x: ArrayLike, label: int) -> list[int]:
    """Return the words that let a core learn a sample.

    Parameters
    ----------
    design : CoreDesign
        The core.
    x : array_like of int, shape (N_in,)
        Spins, or integers of the inputs' format.
    label : int
        Its class, 0..C-1.

    Returns
    -------
    list of int
        The words.
    """
    return [pack_header(Operation.LEARN, 0, int(label)), *pack_inputs(design, x)]


def update() -> list[int]:
    """Return the words that end a batch before it is full.

    Returns
    -------
    list of int
        The words.
    """
    return [pack_header(Operation.UPDATE)]


def write_memory(memory: CoreMemory, first: int, words: ArrayLike) -> list[int]:
    """Return the words that write into a memory.

    Parameters
    ----------
    memory : CoreMemory
        The memory.
    first : int
        Address of the first word.
    words : array_like of int, shape (count, lanes)
        Integers, as `binnet.chips.contents.fill_memories` returns them.

    Returns
    -------
    list of int
        The words.
    """
    lanes = np.asarray(words, np.int64)
    codes = lanes > 0 if memory.bits == 1 else lanes
    packed = pack_codes(codes, memory.bits).ravel().tolist()
    return [pack_header(Operation.WRITE, memory.number), first, len(lanes), *packed]


def read_memory(memory: CoreMemory, first: int, count: int) -> list[int]:
    """Return the words that ask for words of a memory.

    Parameters
    ----------
    memory : CoreMemory
        The memory.
    first : int
        Address of the first word.
    count : int
        How many.

    Returns
    -------
    list of int
        The words.
    """
    return [pack_header(Operation.READ, memory.number), first, count]


# ---- answers


def split_answers(words: Iterable[tuple[int, bool]]) -> list[list[int]]:
    """Return the answers in a stream, in the order of the commands that ask for one.

    Parameters
    ----------
    words : iterable of (int, bool)
        The words, and whether each is the last one of an answer.

    Returns
    -------
    list of list of int
        The words of each answer.

    Raises
    ------
    ValueError
        If the last answer does not end.
    """
    answers: list[list[int]] = [[]]
    for word, last in words:
        answers[-1].append(int(word))
        if last:
            answers.append([])
    if answers[-1]:
        raise ValueError(f"the last answer does not end: {len(answers[-1])} words, none the last")
    return answers[:-1]


def read_result(design: CoreDesign, words: Sequence[int], *, trace: bool, learned: bool) -> Result:
    """Read the answer to INFER or LEARN.

    Parameters
    ----------
    design : CoreDesign
        The core.
    words : sequence of int
        Its words.
    trace : bool
        Whether CONTROL asked for all states and fields.
    learned : bool
        Whether it answers LEARN.

    Returns
    -------
    Result
        The answer.

    Raises
    ------
    ValueError
        If there are more words, or fewer, than the sweeps of the last one take.
    """
    H, C, head = design.n_neurons, design.n_outputs, int(words[-1])
    sweeps = head >> 16 & 0xFFFF
    n_state = count_state_words(design, design.n_groups)
    n_readout = count_state_words(design, design.n_readout_groups)
    masks = (n_state, n_readout) if trace and learned else (0, 0)
    sizes = (sweeps * n_state * trace, C * trace, *masks, 1)
    if len(words) != sum(sizes):
        raise ValueError(
            f"a result of {sweeps} sweeps must have {sum(sizes)} words, got {len(words)}; see "
            "whether trace was set in CONTROL when it was computed"
        )
    states, fields, learns, readout_learns, _ = (
        list(words[end - size : end]) for size, end in zip(sizes, np.cumsum(sizes), strict=True)
    )
    rows = [states[first : first + n_state] for first in range(0, len(states), n_state)]
    spins = [2 * unpack_states(design, row, H).astype(np.int8) - 1 for row in rows]
    return Result(
        head & 0xFF,
        bool(head >> 8 & 1),
        bool(head >> 9 & 1),
        sweeps,
        np.array(spins, np.int8).reshape(-1, H),
        np.asarray(extend_sign(np.array(fields, np.int64), WORD_BITS)),
        unpack_states(design, learns, H),
        unpack_states(design, readout_learns, C),
    )


def read_memory_words(memory: CoreMemory, words: Sequence[int]) -> NDArray[np.int64]:
    """Read the answer to READ.

    Parameters
    ----------
    memory : CoreMemory
        The memory.
    words : sequence of int
        The words of the answer, or those of WRITE after its count.

    Returns
    -------
    ndarray of int64, shape (count, lanes)
        Integers.
    """
    rows = np.asarray(words, np.int64).reshape(-1, memory.stream_words)
    codes = unpack_codes(rows, memory.lanes, memory.bits)
    if not memory.is_signed:
        return codes
    return 2 * codes - 1 if memory.bits == 1 else np.asarray(extend_sign(codes, memory.bits))
