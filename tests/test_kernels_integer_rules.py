"""Whole batches in integers against the plain reference: modules, gaps, latent weights, W_back.

Networks in integers are laid out by hand; every number must be the reference's, on any number of
banks and threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import naive
import naive_integer
from binnet_kernels import structs
from binnet_kernels.rules import (
    integer,
    integer_records,
    integer_synapses,
    integer_third_factor,
)
from binnet_kernels.training.records import Batches, Counts, Model
from integer_rule_cases import (
    BLOCKS,
    CASES,
    ENDS,
    FIRST,
    FIRST_BATCH,
    FRACTIONS,
    KEY,
    N_CLASSES,
    N_INPUTS,
    ROUNDINGS,
    SIZES,
    Case,
    dtype_of,
)  # fmt: skip
from kernel_cases import assert_padding_is_zero, draw_spins, learn, make_modules, to_rows


def draw_network(case: Case) -> naive_integer.Network:
    """Draw integers for `make_modules`, or for one module with couplings missing."""
    n_hidden = sum(case.sizes)
    shape = make_modules("dyadic", case.sizes, N_INPUTS, N_CLASSES, seed=3)
    rng = np.random.default_rng(4)
    connectivity, partners = shape.connectivity, shape.partners
    if len(case.sizes) == 1:
        connectivity, partners = rng.random((n_hidden, n_hidden)) < case.density, ()
        np.fill_diagonal(connectivity, False)
    bits = case.bits_of_blocks

    def draw(block: int, n_post: int, n_pre: int) -> np.ndarray:
        if bits[block] == 1:
            return draw_spins(rng, (n_post, n_pre)).astype(int)
        low, high = ENDS[bits[block]]
        return rng.integers(max(low, -20), min(high, 20) + 1, (n_post, n_pre))

    module = np.repeat(np.arange(len(case.sizes)), case.sizes)
    own, excitation = np.array([3, 0, 2])[module], np.array([2, 4, 1])[module]
    more = 2 ** max(case.fraction, 0)  # in units of the accumulator
    return naive_integer.Network(
        (draw(0, n_hidden, n_hidden) * connectivity).tolist(),
        draw(1, n_hidden, N_INPUTS).tolist(),
        draw(2, N_CLASSES, n_hidden).tolist(),
        draw(3, n_hidden, N_CLASSES).tolist(),
        FRACTIONS,
        own.tolist(),
        (15 * more * min(ENDS[bits[0]][1], 8) + own).tolist(),
        4 * min(ENDS[bits[2]][1], 8),
        connectivity,
        partners,
        excitation.tolist(),
        max(case.fraction, 0),
    )


class Run:
    """Presentations of random samples to a network in integers, and the two ways to learn them."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.net = draw_network(case)
        self.n_hidden = sum(case.sizes)
        rng = np.random.default_rng(5)
        self.inputs = draw_spins(rng, (case.n // 2 + 1, N_INPUTS))
        if case.fraction >= 0:
            low, high = case.ends
            graded = rng.integers(low, high + 1, self.inputs.shape)
            self.inputs = (graded * (rng.random(graded.shape) < 0.7)).astype(np.int16)
        self.labels = rng.integers(0, N_CLASSES, len(self.inputs))
        self.order = rng.integers(0, len(self.inputs), case.n)
        n_batches = -(-case.n // case.batch_size)
        self.shifts = [0, 1, 0][:n_batches]  # of a rate that falls, and rises again
        # W_back that learns carries errors alone: the table of its fields is made before.
        self.amplitudes = [0] * 4 if len(case.ks) == 4 else [0, 1, 1, 0, 0]
        self.registers = [
            integer_synapses.seed_registers(np.uint64(seed), n)
            for seed, n in ((6, self.n_hidden), (7, N_CLASSES))
        ]
        self.raised = [row[: len(case.sizes)] for row in case.raised[: len(case.ks)]]
        if len(case.sizes) == 1:
            self.raised = [(0,)] * len(case.ks)
        bits, self.unseen = case.bits_of_blocks, case.unseen_bits
        self.ranges = [ENDS[b] if b > 1 else (1, -1) for b in bits]
        self.stored = [b + m for b, m in zip(bits, self.unseen, strict=True)]
        self.ends = [ENDS[b] for b in self.stored]
        self.steps = [2 if b == 1 else 1 for b in self.stored]
        self.latent: list[np.ndarray] = []  # the weights, where there are none
        for block, name in enumerate(BLOCKS[: len(case.ks)]):
            exposed, m = np.array(getattr(self.net, name)), self.unseen[block]
            if m > 0:
                rest = 2 ** (m - 1)
                latent = exposed * 2**m + rng.integers(-rest, rest, exposed.shape) * (exposed != 0)
                latent = latent.clip(*self.ends[block])
                shown = naive_integer.expose(latent.tolist(), m, *self.ranges[block])
                if block == 0:
                    shown = (np.array(shown) * self.net.connectivity).tolist()
                self.net = self.net._replace(**{name: shown})
                exposed = latent
            self.latent.append(exposed)

    def run_naive(self) -> tuple[naive_integer.Trained, list[list[int]]]:
        case = self.case
        registers = [array.tolist() for array in self.registers]
        size = case.batch_size
        trained = naive_integer.train_batches(
            self.net,
            [
                naive_integer.Levels(
                    *self.ends[block], self.steps[block], k, case.rounding, case.use_register
                )
                for block, k in enumerate(case.ks)
            ],
            case.decays,
            2,
            self.inputs,
            self.labels,
            [self.order[first : first + size].tolist() for first in range(0, case.n, size)],
            self.shifts,
            self.amplitudes,
            [naive.derive_key(int(KEY), FIRST + k) for k in range(case.n)],
            int(KEY),
            tuple(registers),
            case.asynchronous,
            [latent.tolist() for latent in self.latent],
            self.unseen,
            self.ranges,
            case.sizes,
            self.raised,
            case.third,
            FIRST_BATCH,
        )
        return trained, registers

    def lay_out(self, n_banks: int) -> tuple[Model, integer.IntegerRule, integer.IntegerMemory]:
        net, case = self.net, self.case
        windows = structs.find_windows(net.connectivity, self.n_hidden, n_banks)
        feedback = [
            [naive_integer.feedback_field(net, i, label) for i in range(self.n_hidden)]
            for label in range(N_CLASSES)
        ]
        excitation: list[np.ndarray] = []
        if net.partners:
            partners = np.array(net.partners)
            excitations = np.where(partners >= 0, np.array(net.excitation), 0)
            excitation = [np.maximum(partners, 0), excitations]
        structure = structs.make_structure(
            windows, np.array(net.J_D), n_banks, np.int32, *excitation
        )

        def lay(blocks: Any, bits: Any) -> list[np.ndarray]:
            J, W_in, W_out, W_back = (
                np.array(block).astype(dtype_of(b)) for block, b in zip(blocks, bits, strict=True)
            )
            return [
                structs.to_windows(J.T, windows),
                structs.to_banks(W_in.T, n_banks),
                to_rows(W_out, n_banks, W_out.dtype),
                structs.to_banks(W_back.T, n_banks),
            ]

        plain = lay([getattr(net, name) for name in BLOCKS], case.bits_of_blocks)
        wide = lay((*self.latent, net.W_back)[:4], self.stored)
        model = Model(
            *plain[:3],
            np.array([2 << self.net.input_fraction, 1, 1]),
            *structure,
            to_rows(np.array(feedback), n_banks, np.int32),
            np.zeros((0, 0), np.int32),
            structs.to_windows(net.connectivity.T.astype(np.uint8), windows),
            np.zeros(0, np.int32),
        )
        pairs = zip(self.unseen, wide, plain, strict=True)
        learned = [latent if m > 0 else weights for m, latent, weights in pairs]
        if len(case.ks) < 4:
            learned[3] = plain[3]
        memory = integer.IntegerMemory(
            *learned,
            plain[3],
            np.array(self.unseen),
            np.array([low for low, _ in self.ranges]),
            np.array([high for _, high in self.ranges]),
            *(array.copy() for array in self.registers),
            *integer_records.make_work(
                self.n_hidden,
                N_INPUTS,
                N_CLASSES,
                n_banks,
                case.batch_size,
                is_graded=case.fraction >= 0,
            ),
        )
        ks = np.array([*case.ks, 0][:4])
        shifts = np.full((4, len(case.sizes)), integer.NEVER)
        for block, row in enumerate(self.raised):
            shifts[block] = [integer.NEVER if k is None else k for k in row]
        rule = integer.IntegerRule(
            np.arange(4) < len(case.ks),
            np.array([low for low, _ in self.ends]),
            np.array([high for _, high in self.ends]),
            np.array(self.steps),
            np.array([[*(ks + shift), shift] for shift in self.shifts]),
            np.array([*case.decays, -1]),
            2,
            ROUNDINGS[case.rounding],
            case.use_register,
            np.cumsum((0, *case.sizes)),
            shifts,
            to_rows(np.array([net.margin]), n_banks, np.int32)[0],
            np.full(2, net.readout_margin, np.int64),
            KEY,
            FIRST_BATCH,
            *(case.third or (0, 0)),
            case.fraction,
        )
        return model, rule, memory

    def run_kernel(self, n_banks: int, threads: int) -> tuple[Model, integer.IntegerMemory, Counts]:
        case = self.case
        model, rule, memory = self.lay_out(n_banks)
        counts = Counts(np.zeros(len(self.amplitudes), np.int64), np.zeros(4, np.int64))
        kernels = integer_third_factor.KERNELS if case.third else integer.KERNELS
        learn(
            kernels,
            model,
            rule,
            memory,
            Batches(
                self.inputs,
                self.labels,
                self.order,
                case.batch_size,
                np.ones(len(self.shifts)),
                KEY,
                FIRST,
                0.0,
                KEY,
            ),
            self.amplitudes,
            counts,
            threads=threads,
            asynchronous=case.asynchronous,
            stop_at_cycle=False,
        )
        return model, memory, counts

    def gather(self, model: Model, memory: Any, *, latent: bool) -> dict[str, list[list[int]]]:
        """Return the weights, or the synapses, in the layout of the equations."""
        source = memory if latent else model
        back = memory.feedback if latent else memory.exposed_feedback
        blocks = (
            structs.from_windows(source.couplings, model.windows, self.n_hidden).T,
            structs.from_banks(source.input_weights, self.n_hidden).T,
            source.readout[:, : self.n_hidden],
            structs.from_banks(back, self.n_hidden).T,
        )
        return {name: block.tolist() for name, block in zip(BLOCKS, blocks, strict=True)}


# Types of weights that no other test compiles kernels for.
LONG = (
    "modules",
    "modules by registers",
    "one bit of J, latent, wide W_in",
    "bits of blocks, latent W_back",
)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] * (name in LONG)) for name in CASES]
)
def test_equals_the_reference_on_any_banks_and_threads(name: str) -> None:
    case = CASES[name]
    run = Run(case)
    expected, registers = run.run_naive()
    n_blocks = len(case.ks)
    for n_banks, threads in ((1, 1), (2, 1), (2, 2), (3, 2)):
        model, memory, counts = run.run_kernel(n_banks, threads)
        if len(case.sizes) > 1 and n_banks > 1:
            assert model.windows[1, 0] > 0
        found = run.gather(model, memory, latent=False)
        for block in BLOCKS:
            assert found[block] == getattr(expected.net, block), (block, n_banks, threads)
        synapses = run.gather(model, memory, latent=True)
        for block, latent in zip(BLOCKS[:n_blocks], expected.latent, strict=True):
            assert synapses[block] == latent, (block, n_banks, threads)
        assert counts.totals.tolist() == expected.totals
        assert memory.counts.sum(axis=0)[:n_blocks].tolist() == expected.synapses
        assert [memory.hidden.tolist(), memory.readouts.tolist()] == registers
        assert not np.array(found["J"])[~run.net.connectivity].any()
        assert not np.array(synapses["J"])[~run.net.connectivity].any()
        for array in (model.couplings, model.input_weights, model.readout, memory.feedback):
            assert_padding_is_zero(array, run.n_hidden)
    if case.rounding != "nearest":
        assert all(changed > 0 for changed, _ in expected.synapses)
    assert (registers == [array.tolist() for array in run.registers]) != case.use_register


def test_neurons_without_attachment_keep_their_weights() -> None:
    """NEVER: input weights of the last module, readout of the first, W_back of the last."""
    run = Run(CASES["third factor, W_back learned"])
    model, memory, _ = run.run_kernel(2, 1)
    found = {
        name: np.array(block) for name, block in run.gather(model, memory, latent=False).items()
    }
    before = {name: np.array(getattr(run.net, name)) for name in BLOCKS}
    first, last = slice(0, SIZES[0]), slice(-SIZES[2], None)
    for name, still in (("W_in", np.s_[last]), ("W_out", np.s_[:, first]), ("W_back", np.s_[last])):
        assert np.array_equal(found[name][still], before[name][still])
        assert not np.array_equal(found[name], before[name])


def test_errors_by_the_table_equal_the_reference() -> None:
    """Exactly; up to fields far beyond the end of the table, and at its last entries."""
    rng = np.random.default_rng(8)
    for scale in (1, 1000, 2**16, 2**20):
        for spread in (3, 200, 2**20):
            fields = rng.integers(-spread, spread + 1, 5).astype(np.int32)
            for label in range(5):
                errors = np.zeros(5, np.int64)
                integer_third_factor.find_errors_integer(fields, label, scale, errors)
                expected = naive_integer.readout_errors(fields.tolist(), label, scale)
                assert errors.tolist() == expected
    for k in range(170, 190):
        errors = np.zeros(2, np.int64)
        fields = np.array([0, -k], np.int32)
        integer_third_factor.find_errors_integer(fields, 0, 2**16, errors)
        assert errors.tolist() == naive_integer.readout_errors([0, -k], 0, 2**16)


def test_errors_in_integers_are_those_of_the_softmax() -> None:
    """Up to a step of the table, a sixteenth of the temperature, in the exponent."""
    rng = np.random.default_rng(9)
    fields = rng.integers(-40, 41, 6).astype(np.int32)
    errors = np.zeros(6, np.int64)
    integer_third_factor.find_errors_integer(fields, 2, 2**16, errors)
    powers = np.exp((fields - fields.max()) / 16)
    softmax = powers / powers.sum()
    expected = (np.arange(6) == 2) - softmax
    # Fields are whole sixteenths here: only entries (half a unit) and the quotient are rounded.
    np.testing.assert_allclose(errors / 2**15, expected, rtol=0, atol=2**-13)
