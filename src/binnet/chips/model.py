"""The model of a core: what its circuit does to the words of its streams, in NumPy's integers.

It stands between the simulator, which it is equal to (tests), and the circuits, which are compared
with it word by word. Fields are exact integers here; those of a circuit are `accumulator_bits`
wide, which is enough for all weights that it is designed for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binnet.chips.bit_strings import (
    WORD_MASK,
    count_input_words,
    count_state_words,
    extend_sign,
    pack_codes,
    pack_states,
    unpack_inputs,
    unpack_states,
)
from binnet.chips.design import CoreDesign, CoreMemory
from binnet.chips.model_updates import Events, decay_block, update_block
from binnet.chips.protocol import Operation, read_memory_words
from binnet.chips.registers import list_registers
from binnet.hardware.learning_image import expose
from binnet.networks import QFormat

UNKNOWN_COMMAND, BEYOND_THE_END = 1, 2  # bits of STATUS
_TRACE, _STOP_AT_CYCLE = 1, 2  # bits of CONTROL
_NO_LIMIT = 0xFFFF

Integers = NDArray[np.int64]
Answer = list[tuple[int, bool]]


class CoreModel:
    """A core that takes words and returns words.

    Parameters
    ----------
    design : CoreDesign
        The core.
    contents : mapping of str to ndarray, shape (words, lanes)
        Initial contents of its memories, from `binnet.chips.contents.fill_memories`.

    Attributes
    ----------
    memories : dict of str to ndarray of int64, shape (words, lanes)
        Contents of the memories as they are now.
    values : dict of str to int
        Values of the registers, by their names.
    """

    def __init__(self, design: CoreDesign, contents: Mapping[str, NDArray[Any]]) -> None:
        self.design = design
        self.memories: dict[str, Integers] = {}
        for memory in design.memories:
            words = np.array(contents[memory.name], np.int64)
            if words.shape != (memory.words, memory.lanes):
                raise ValueError(
                    f"{memory.name} must have shape {(memory.words, memory.lanes)}, got "
                    f"{words.shape}; fill the memories of this design"
                )
            self.memories[memory.name] = _to_codes_and_back(memory, words)
        self._registers = {register.number: register for register in list_registers(design)}
        self.values = {register.name: register.reset for register in self._registers.values()}
        H, C = design.n_neurons, design.n_outputs
        self._sizes = ((H, H), (H, design.n_inputs), (C, H))  # targets, presynaptic neurons
        # BATCH_SIZE may ask for more samples than a batch has room for.
        self._most_samples = 1 if design.learning is None else design.learning.batch_size
        self._waiting: list[int] = []
        self._exposed: list[Integers] = []  # the blocks as the fields see them, while it is true
        # Of each sample the state, the inputs, and what hidden neurons and readouts learn.
        self._batch: list[tuple[Integers, ...]] = []

    def run(self, words: Iterable[int]) -> Answer:
        """Take words, and return those that come out.

        Parameters
        ----------
        words : iterable of int
            Words of commands; the last command may go on in the next call.

        Returns
        -------
        list of (int, bool)
            Words of answers, and whether each is the last one of its answer.
        """
        self._waiting += [int(word) & WORD_MASK for word in words]
        answers: Answer = []
        first = 0
        while first < len(self._waiting):
            taken, answer = self._obey(first)
            if taken == 0:
                break
            first += taken
            answers += [(word & WORD_MASK, k == len(answer) - 1) for k, word in enumerate(answer)]
        del self._waiting[:first]
        return answers

    def _obey(self, first: int) -> tuple[int, list[int]]:
        """Do the command that begins there; return how many words it took (0: not all there)."""
        words, header = self._waiting, self._waiting[first]
        operation, argument, number = header & 0xFF, header >> 8 & 0xFF, header >> 16
        memory = next((own for own in self.design.memories if own.number == argument), None)
        learns = self.design.learning is not None
        is_known: dict[int, bool] = {
            Operation.SET: argument in self._registers,
            Operation.GET: argument in self._registers,
            Operation.INFER: True,
            Operation.LEARN: learns and number < self.design.n_outputs,
            Operation.UPDATE: learns,
            Operation.WRITE: memory is not None,
            Operation.READ: memory is not None,
        }
        if not is_known.get(operation, False):
            self.values["STATUS"] |= UNKNOWN_COMMAND
            return 1, []
        n_words = self._count_words(operation, argument, words[first + 1 : first + 3], memory)
        if n_words is None or first + n_words > len(words):
            return 0, []
        body = words[first + 1 : first + n_words]
        if operation == Operation.SET:
            self._set(argument, body[0])
            return n_words, []
        if operation == Operation.GET:
            return n_words, [self.values[self._registers[argument].name]]
        if operation == Operation.INFER:
            return n_words, self._infer(body)
        if memory is not None and operation == Operation.WRITE:
            self._write(memory, body)
            return n_words, []
        if memory is not None and operation == Operation.READ:
            return n_words, self._read(memory, *body)
        if operation == Operation.LEARN:
            return n_words, self._learn(number, body)
        self._update()
        return n_words, []

    def _count_words(
        self, operation: int, argument: int, ahead: list[int], memory: CoreMemory | None
    ) -> int | None:
        """Return the words of a command; None where that is not known yet."""
        design = self.design
        if operation in (Operation.INFER, Operation.LEARN):
            given = operation == Operation.INFER and argument & 1
            n_start = count_state_words(design, design.n_groups) if given else 0
            return 1 + count_input_words(design) + n_start
        if operation in (Operation.WRITE, Operation.READ) and memory is not None:
            if len(ahead) < 2:
                return None
            return 3 + (operation == Operation.WRITE) * ahead[1] * memory.stream_words
        return 2 if operation == Operation.SET else 1

    # ---- registers and memories

    def _set(self, number: int, value: int) -> None:
        register = self._registers[number]
        if not register.writable:
            return
        code = value & ((1 << register.bits) - 1)
        self.values[register.name] = extend_sign(code, register.bits) if register.signed else code
        if register.name == "CONTROL":
            self.values["STATUS"] = 0

    def _write(self, memory: CoreMemory, body: list[int]) -> None:
        first, count = body[:2]
        fitting = max(0, min(count, memory.words - first))
        if fitting < count:
            self.values["STATUS"] |= BEYOND_THE_END
        lanes = read_memory_words(memory, body[2 : 2 + fitting * memory.stream_words])
        self.memories[memory.name][first : first + fitting] = lanes
        self._exposed = []

    def _read(self, memory: CoreMemory, first: int, count: int) -> list[int]:
        fitting = max(0, min(count, memory.words - first))
        if fitting < count:
            self.values["STATUS"] |= BEYOND_THE_END
        lanes = self.memories[memory.name][first : first + fitting]
        words = pack_codes(_to_codes(memory, lanes), memory.bits).ravel().tolist()
        return words + [0] * ((count - fitting) * memory.stream_words)

    # ---- weights

    def read_block(self, block: int) -> Integers:
        """Return stored weights by targets and presynaptic neurons.

        Parameters
        ----------
        block : int
            0, 1, 2: J, W_in, W_out.

        Returns
        -------
        ndarray of int64, shape (n, K)
            The weights, of n targets.
        """
        n_targets, n_sources = self._sizes[block]
        words = self.memories[self.design.memories[block].name]
        groups = words.reshape(-1, n_sources, self.design.elements)
        return groups.transpose(0, 2, 1).reshape(-1, n_sources)[:n_targets].copy()

    def _write_block(self, block: int, weights: Integers) -> None:
        n_targets, n_sources = self._sizes[block]
        words = self.memories[self.design.memories[block].name]
        for first in range(0, n_targets, self.design.elements):
            lanes = weights[first : first + self.design.elements].T
            start = first // self.design.elements * n_sources
            words[start : start + n_sources, : lanes.shape[1]] = lanes

    def _expose(self) -> list[Integers]:
        """Return the weights as the fields see them."""
        if not self._exposed:
            design = self.design
            widths = zip(design.stored_bits, design.weight_bits, strict=True)
            self._exposed = [
                expose(self.read_block(block), QFormat(bits, 0), stored - bits).astype(np.int64)
                for block, (stored, bits) in enumerate(widths)
            ]
            np.fill_diagonal(self._exposed[0], 0)
        return self._exposed

    # ---- relaxation

    def _infer(self, body: list[int]) -> list[int]:
        design, n_inputs = self.design, count_input_words(self.design)
        external = self._drive(unpack_inputs(design, body[:n_inputs]))
        given = body[n_inputs:]
        path: list[Integers] = [np.zeros(design.n_neurons, np.int64)]
        if given:
            path = [2 * unpack_states(design, given, design.n_neurons).astype(np.int64) - 1]
        limit = self.values["MAX_SWEEPS"] or _NO_LIMIT
        is_fixed = is_cycle = False
        while len(path) <= limit and not is_fixed:
            path.append(self._sweep(external, path[-1]))
            is_fixed = np.array_equal(path[-1], path[-2])
            is_cycle = not is_fixed and len(path) > 3 and np.array_equal(path[-1], path[-3])
            if is_cycle and self.values["CONTROL"] & _STOP_AT_CYCLE:
                break
        fields = self._expose()[2] @ path[-1]
        return [*self._trace(path[1:], fields), _pack_head(fields, is_fixed, is_cycle, path)]

    def _learn(self, label: int, body: list[int]) -> list[int]:
        design, values = self.design, self.values
        x = unpack_inputs(design, body)
        external = self._drive(x)
        feedback = self.memories["feedback"].reshape(design.n_outputs, -1)
        steered = external + feedback[label, : design.n_neurons]
        path: list[Integers] = [np.zeros(design.n_neurons, np.int64)]
        is_settled, before = False, False
        for t in range(1, (values["SWEEPS"] or _NO_LIMIT) + 1):
            has_feedback = values["WARMUP"] < t <= values["FEEDBACK"]
            if is_settled and has_feedback == before:
                continue
            path.append(self._sweep(steered if has_feedback else external, path[-1]))
            is_settled, before = np.array_equal(path[-1], path[-2]), has_feedback
        state, fields = path[-1], self._expose()[2] @ path[-1]
        learns = state * self._field(external, state) <= values["THRESHOLD"]
        y = np.where(np.arange(design.n_outputs) == label, 1, -1)
        readout_learns = y * fields <= values["READOUT_THRESHOLD"]
        self._batch.append((state, x, learns * state, readout_learns * y))
        masks = [*pack_states(design, learns), *pack_states(design, readout_learns)]
        trace = self._trace(path[1:], fields)
        answer = [*trace, *masks] if trace else []
        answer.append(_pack_head(fields, is_settled, False, path))
        if len(self._batch) >= min(values["BATCH_SIZE"], self._most_samples):
            self._update()
        return answer

    def _drive(self, x: Integers) -> Integers:
        """Return the fields of the inputs."""
        return np.asarray((self._expose()[1] @ x) << self.design.input_shift)

    def _field(self, external: Integers, state: Integers) -> Integers:
        recurrent = (self._expose()[0] @ state) << self.design.coupling_shift
        return np.asarray(external + recurrent + self.values["SELF_COUPLING"] * state)

    def _sweep(self, external: Integers, state: Integers) -> Integers:
        """Return the state after a sweep."""
        return np.where(self._field(external, state) >= 0, 1, -1)

    def _trace(self, states: list[Integers], fields: Integers) -> list[int]:
        """Return what precedes a result where CONTROL asks for it."""
        if not self.values["CONTROL"] & _TRACE:
            return []
        words = [word for state in states for word in pack_states(self.design, state)]
        return words + [int(field) for field in fields]

    # ---- update

    def _update(self) -> None:
        """Let the weights decay, where it is time, and learn from the samples of the batch."""
        learning, values = self.design.learning, self.values
        if learning is None or not self._batch:
            return
        states, inputs, unstable, wrong = (
            np.array(rows) for rows in zip(*self._batch, strict=True)
        )
        events = (Events(unstable, states), Events(unstable, inputs), Events(wrong, states))
        hidden, readouts = self.memories["hidden_registers"], self.memories["readout_registers"]
        registers = [
            words.ravel()[: self._sizes[block][0]]
            for block, words in enumerate((hidden, hidden, readouts))
        ]
        blocks = [self.read_block(block) for block in range(3)]
        for block in range(3):
            is_due = values["BATCHES"] % (1 << values["DECAY_PERIOD"]) == 0
            if is_due and values["DECAYS"] >> block & 1:
                k = values[f"DECAY_EXPONENT_{block}"]
                blocks[block] = decay_block(blocks[block], registers[block], k)
        for block in range(3):
            if values["LEARNS"] >> block & 1:
                blocks[block] = update_block(
                    blocks[block],
                    registers[block],
                    events[block],
                    values[f"EXPONENT_{block}"],
                    learning.formats[block],
                    per_event=learning.rounding == "per-event",
                    is_square=block == 0,
                )
            self._write_block(block, blocks[block])
        self._exposed = []
        self._batch = []
        values["BATCHES"] = values["BATCHES"] + 1 & WORD_MASK


def _pack_head(fields: Integers, is_fixed: bool, is_cycle: bool, path: list[Integers]) -> int:
    """Return the last word of a result."""
    return int(fields.argmax()) | is_fixed << 8 | is_cycle << 9 | (len(path) - 1) << 16


def _to_codes(memory: CoreMemory, lanes: Integers) -> Integers:
    return (lanes > 0).astype(np.int64) if memory.bits == 1 else lanes


def _to_codes_and_back(memory: CoreMemory, lanes: Integers) -> Integers:
    """Return what a memory holds of these integers: of one bit, -1 for 0."""
    packed = pack_codes(_to_codes(memory, lanes), memory.bits)
    return read_memory_words(memory, packed.ravel().tolist())
