"""Golden vectors of learning: what a core does with the next samples of a run, state by state.

They are recorded by the model of a core, word for word as a circuit would answer, and compared
after each update with the simulator itself, which learns the same samples.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from binnet._memory import check_memory
from binnet._progress import progress_bar
from binnet._validation import Inputs, check_integer
from binnet.chips.contents import fill_memories
from binnet.chips.design import CoreDesign, CoreLearning, design_core
from binnet.chips.model import CoreModel
from binnet.chips.protocol import (
    Result,
    learn,
    read_memory,
    read_result,
    set_register,
    split_answers,
    update,
)
from binnet.chips.runs import take_run
from binnet.hardware.learning_image import LEARNED
from binnet.hardware.memory_files import WORD_BITS, Words
from binnet.learning import Run
from binnet.learning.integer_plasticity import describe_integer_plasticity
from binnet.learning.samples import check_samples, draw_order
from binnet.networks import QFormat

#: In the place of an exponent of a block that does not learn, or decay.
NONE = -99
_REGISTER_BITS = 16
_BYTES_OF_A_WORD = 100  # in a list of Python's integers and flags, and as text


class Batch(NamedTuple):
    """Samples that are learned before an update, and the rates of that update.

    Attributes
    ----------
    samples : ndarray of int64, shape (B,)
        Their places among the training samples.
    number : int
        Updates since the start of the run.
    exponents, decays : tuple of (int or None), length 3
        k of couplings, input weights and readout in it.
    """

    samples: NDArray[np.int64]
    number: int
    exponents: tuple[int | None, ...]
    decays: tuple[int | None, ...]


@dataclass(frozen=True, eq=False)
class LearningVectors:
    """What a run does with its next K samples, in U updates; T sweeps are a relaxation.

    Attributes
    ----------
    inputs : ndarray of int8, shape (K, N_in)
        Inputs, in the order in which they are presented.
    labels : ndarray of int64, shape (K,)
        Their classes.
    batches : list of Batch
        What each update learns from.
    states : ndarray of int8, shape (K, T, H)
        State after each sweep; where a sweep is left out, the settled state again.
    sweeps : ndarray of int64, shape (K,)
        Sweeps that were done.
    readout_fields : ndarray of int64, shape (K, C)
        f_c of the last states.
    unstable : ndarray of bool, shape (K, H)
        Hidden neurons that learn.
    wrong : ndarray of bool, shape (K, C)
        Readouts that learn.
    weights : dict of str to ndarray, shape (U, targets, sources)
        Couplings, input weights and readout after each update; latent ones, where there are some.
    formats : dict of str to QFormat
        Their formats.
    registers : ndarray of uint16, shape (U, H + C)
        Shift registers after each update.
    """

    inputs: NDArray[np.int8]
    labels: NDArray[np.int64]
    batches: list[Batch]
    states: NDArray[np.int8]
    sweeps: NDArray[np.int64]
    readout_fields: NDArray[np.int64]
    unstable: NDArray[np.bool_]
    wrong: NDArray[np.bool_]
    weights: dict[str, NDArray[Any]]
    formats: dict[str, QFormat]
    registers: NDArray[np.uint16]

    def to_files(self) -> dict[str, Words]:
        """Return the files of the vectors by their stems, as memory images hold them.

        Returns
        -------
        dict of str to Words
            What `binnet.hardware.write_memory_images` takes as `learning_files`.
        """
        updates = [
            [len(batch.samples), batch.number]
            + [NONE if k is None else k for k in (*batch.exponents, *batch.decays)]
            for batch in self.batches
        ]
        files = {
            "inputs": Words(self.inputs, 1),
            "labels": Words(self.labels[:, None], WORD_BITS),
            "updates": Words(np.array(updates), WORD_BITS),
            "states": Words(self.states.reshape(-1, self.states.shape[2]), 1),
            "sweeps": Words(self.sweeps[:, None], WORD_BITS),
            "fields": Words(self.readout_fields, WORD_BITS),
            "unstable": Words(self.unstable, 1),
            "wrong": Words(self.wrong, 1),
        }
        for name, blocks in self.weights.items():
            words = blocks.transpose(0, 2, 1)
            files[name] = Words(words.reshape(-1, words.shape[2]), self.formats[name].bits)
        files["registers"] = Words(self.registers, _REGISTER_BITS, signed=False)
        return {f"learning_{name}": words for name, words in files.items()}


def record_learning_vectors(
    run: Run, X: ArrayLike, y: ArrayLike, n_samples: int, *, progress: bool = False
) -> LearningVectors:
    """Let the model of a core learn the next samples of a run, which itself stays as it is.

    Parameters
    ----------
    run : Run
        A run that a core can do, see `binnet.chips.runs.describe_learning`.
    X : array_like, shape (n, N_in)
        All training samples of the run: spins.
    y : array_like of int, shape (n,)
        Their labels.
    n_samples : int
        K, from 1; the last batch may be shorter than the others.
    progress : bool, default False
        Whether to show a bar, on a terminal.

    Returns
    -------
    LearningVectors
        The vectors.

    Raises
    ------
    TypeError, ValueError
        If the run is none that a core does, or K is out of its range.
    MemoryError
        If K samples take more memory than there is.
    RuntimeError
        If the model and the simulator differ: a mistake of binnet.
    """
    check_integer("n_samples", n_samples, 1)
    inputs, labels = check_samples("", X, y, run.configuration, 1)
    if len(inputs) != run.n_samples:
        raise ValueError(
            f"X must hold the {run.n_samples} samples of the run, got {len(inputs)}; pass what it "
            "was trained on"
        )
    network, learning, latent, registers = take_run(run)
    design = design_core(network, network.n_neurons, learning=learning)
    _check_size(design, n_samples)
    batches = plan_batches(run, learning, n_samples)
    model = CoreModel(design, fill_memories(design, network, latent, registers))
    model.run(set_register(design, "CONTROL", 1))
    simulator = copy.deepcopy(run)
    results: list[Result] = []
    weights: dict[str, list[NDArray[Any]]] = {name: [] for name in LEARNED}
    stepped: list[NDArray[np.uint16]] = []
    bar = progress_bar(batches, unit="update", disable=None if progress else True, leave=False)
    for batch in bar:
        words = _set_rates(design, batch)
        for sample in batch.samples:
            words += learn(design, inputs[sample], int(labels[sample]))
        answers = split_answers(model.run([*words, *update()]))
        results += [read_result(design, answer, trace=True, learned=True) for answer in answers]
        stepped.append(_read_registers(model))
        for block, name in enumerate(LEARNED):
            block_weights = model.read_block(block).astype(learning.formats[block].dtype)
            weights[name].append(block_weights)
        _learn_batch(simulator, inputs, labels, batch)
        _compare(simulator, {name: weights[name][-1] for name in LEARNED}, stepped[-1], batch)
    order = np.concatenate([batch.samples for batch in batches])
    return LearningVectors(
        np.asarray(inputs[order], np.int8),
        labels[order],
        batches,
        np.stack([_pad_states(result.states, learning) for result in results]),
        np.array([result.sweeps for result in results]),
        np.stack([result.readout_fields for result in results]),
        np.stack([result.learns for result in results]),
        np.stack([result.readout_learns for result in results]),
        {name: np.stack(blocks) for name, blocks in weights.items()},
        dict(zip(LEARNED, learning.formats, strict=True)),
        np.stack(stepped),
    )


def check_stimulus(design: CoreDesign, n_samples: int) -> None:
    """Refuse more samples than there is memory for their words in and out of a core.

    Parameters
    ----------
    design : CoreDesign
        A core that learns.
    n_samples : int
        Samples for `play_vectors`.

    Raises
    ------
    MemoryError
        If there is less memory than that.
    """
    assert design.learning is not None
    weights = sum(memory.words * memory.stream_words for memory in design.memories)
    updates = -(-n_samples // design.learning.batch_size)
    check_memory(
        f"--learning {n_samples} for a core: the words that a test bench compares",
        float(updates * weights * _BYTES_OF_A_WORD),
        "take fewer samples, or --format memh",
    )


def play_vectors(design: CoreDesign, vectors: LearningVectors) -> list[int]:
    """Return words that let a core learn the samples of golden vectors, with every state.

    Parameters
    ----------
    design : CoreDesign
        The core that the vectors are of, with any number of elements.
    vectors : LearningVectors
        The vectors.

    Returns
    -------
    list of int
        The words; after each update all memories are read.
    """
    words, first = set_register(design, "CONTROL", 1), 0
    for batch in vectors.batches:
        words += _set_rates(design, batch)
        for sample in range(first, first + len(batch.samples)):
            words += learn(design, vectors.inputs[sample], int(vectors.labels[sample]))
        first += len(batch.samples)
        words += update()
        for memory in design.memories:
            words += read_memory(memory, 0, memory.words)
    return words


def plan_batches(run: Run, learning: CoreLearning, n_samples: int) -> list[Batch]:
    """Return the next batches of a run, as training would present them.

    A run whose epochs are done goes on with another one, at the rates of its last batch.

    Parameters
    ----------
    run : Run
        The run.
    learning : CoreLearning
        Its plasticity.
    n_samples : int
        Samples of all batches; the last one may be shorter for it.

    Returns
    -------
    list of Batch
        The batches.
    """
    plasticity, size, batches = run.configuration.plasticity, learning.batch_size, []
    per_epoch = -(-run.n_samples // size)
    total, number = run.configuration.training.epochs * per_epoch, run.epoch * per_epoch + run.batch
    while n_samples > 0:
        epoch, place = divmod(number, per_epoch)
        order = draw_order(run.configuration.training.seed, epoch, run.n_samples)
        samples = order[place * size : (place + 1) * size][:n_samples]
        factor = float(plasticity.rate_factors(number, 1, total)[0])
        rates = describe_integer_plasticity(run, factor)
        batches.append(Batch(samples, number, rates.exponents, rates.decays))
        number, n_samples = number + 1, n_samples - len(samples)
    return batches


def _check_size(design: CoreDesign, n_samples: int) -> None:
    """Refuse more weights and states than there is memory for."""
    learning = design.learning
    assert learning is not None
    H, N, C = design.n_neurons, design.n_inputs, design.n_outputs
    bits = zip((H * H, H * N, H * C), learning.formats, strict=True)
    # As integers, and as the digits of a file.
    update = sum(n * (format.dtype.itemsize + format.bits / 4) for n, format in bits)
    sample = learning.sweeps * H + N + H + 9 * C
    check_memory(
        f"--learning {n_samples}: all states and the weights after each update",
        n_samples * sample + update * -(-n_samples // learning.batch_size),
        "take fewer samples",
    )


def _set_rates(design: CoreDesign, batch: Batch) -> list[int]:
    """Return the words that set the rates of a batch, and its number."""
    words = set_register(design, "BATCHES", batch.number)
    for name, exponents in (("EXPONENT", batch.exponents), ("DECAY_EXPONENT", batch.decays)):
        for block, k in enumerate(exponents):
            if k is not None:
                words += set_register(design, f"{name}_{block}", k)
    return words


def _read_registers(model: CoreModel) -> NDArray[np.uint16]:
    memories, design = model.memories, model.design
    hidden = memories["hidden_registers"].ravel()[: design.n_neurons]
    readouts = memories["readout_registers"].ravel()[: design.n_outputs]
    return np.concatenate([hidden, readouts]).astype(np.uint16)


def _pad_states(states: NDArray[np.int8], learning: CoreLearning) -> NDArray[np.int8]:
    """Return a state for each sweep of the schedule: settled ones again, where it was left out."""
    padded, done, settled, before = [], 0, False, False
    for t in range(1, learning.sweeps + 1):
        has_feedback = learning.warmup < t <= learning.feedback
        settled, before = settled and has_feedback == before, has_feedback
        if not settled:
            settled = done > 0 and np.array_equal(states[done], states[done - 1])
            done += 1
        padded.append(states[done - 1])
    return np.stack(padded)


def _learn_batch(simulator: Run, X: Inputs, y: NDArray[np.int64], batch: Batch) -> None:
    """Let the simulator learn a batch, which may be shorter than its own."""
    if simulator.epoch_is_complete:
        simulator.next_epoch()
    training = simulator.configuration.training
    size = training.batch_size
    if len(batch.samples) < size:
        stop = simulator.batch * size + len(batch.samples)
        presented = draw_order(training.seed, simulator.epoch, simulator.n_samples)[:stop]
        simulator.kept = np.isin(np.arange(simulator.n_samples), presented)
    simulator.learn(X, y, 1, 1)


def _compare(
    simulator: Run,
    weights: Mapping[str, NDArray[Any]],
    registers: NDArray[np.uint16],
    batch: Batch,
) -> None:
    """Refuse an update in which the model and the simulator differ."""
    synapses: Any = simulator.synapses
    for name, found in weights.items():
        expected = synapses.latent.get(name, getattr(synapses.weights, name))
        differs = found != expected
        if name == "couplings":
            np.fill_diagonal(differs, False)  # no weight
        if differs.any():
            i, j = np.argwhere(differs)[0]
            raise RuntimeError(
                f"internal error of binnet: in the update of batch {batch.number} the model of the "
                f"core sets {name}[{i}, {j}] to {found[i, j]}, the simulator to {expected[i, j]}; "
                "please report it with the run folder"
            )
    if not np.array_equal(registers, synapses.registers):
        raise RuntimeError(
            f"internal error of binnet: after the update of batch {batch.number} the registers of "
            "the model of the core are not the simulator's; please report it with the run folder"
        )
