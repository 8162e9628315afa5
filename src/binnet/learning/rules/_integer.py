"""Synapses in integers: weights, latent weights, shift registers, and what they have counted.

After the initial weights are rounded, no weight, field or margin is a floating-point number again;
only the measurements at the end of an epoch are turned into values to be read.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from binnet._records import Record
from binnet.dynamics import check_amplitudes, stream_key
from binnet.learning.arithmetic import EXPONENTS, ROUNDINGS
from binnet.learning.rules._float import expect_blocks
from binnet.learning.rules._levels import (
    choose_training_formats,
    derive_decays,
    derive_exponents,
    derive_shifts,
    exposed_range,
    find_unseen_bits,
    latent_formats,
    refuse_gaps_of_one_bit,
    refuse_growth,
)
from binnet.learning.rules._protocol import Job, LaidOutRule, Settings, Synapses, Tensors
from binnet.networks import (
    BLOCKS,
    BinaryNetwork,
    QFormat,
    QuantizedNetwork,
    dequantize,
    lay_out_structure,
    quantize,
    read_inputs,
)
from binnet.networks.formats import read_formats
from binnet.networks.quantised import SCALARS, sum_feedback

_LATENT = "latent_"  # before the names of latent weights in a checkpoint
_UPDATE_STREAM, _REGISTER_STREAM = 3, 4


class IntegerSynapses(Synapses):
    """Weights in integers, and what plasticity changes besides.

    Attributes
    ----------
    weights : QuantizedNetwork
        The network.
    latent : dict of str to ndarray
        The latent weights of the blocks that learn, by name, where they have more bits than the
        weights, which then expose the highest of them.
    registers : ndarray of uint16, shape (H + C,)
        Shift registers of the hidden neurons and the readout.
    counts : ndarray of int64, shape (blocks that learn, 2)
        Changes of weights, and sums that saturated, since the start of the run.
    """

    #: Names of the blocks that learn.
    learned: tuple[str, ...] = BLOCKS[:3]

    def __init__(
        self,
        settings: Settings,
        weights: QuantizedNetwork,
        latent: dict[str, NDArray[Any]],
        registers: NDArray[np.uint16],
        counts: NDArray[np.int64],
    ) -> None:
        self.settings = settings
        self.weights = weights
        self.latent = latent
        self.registers = registers
        self.counts = counts

    @classmethod
    def start(cls, settings: Settings) -> Self:
        """Return the rounded initial weights; refuse fields or events that could not be held."""
        from binnet_kernels.rules.integer_synapses import seed_registers

        training, plasticity = settings.training, settings.plasticity
        check_amplitudes(settings.schedule.amplitudes, np.dtype(np.int32))
        refuse_gaps_of_one_bit(settings)
        dense = replace(settings.network, storage="dense")
        network = BinaryNetwork.random(dense, training.seed, np.float64)
        formats = choose_training_formats(
            settings, network, feedback_grows="feedback" in cls.learned
        )
        weights, _ = quantize(
            network,
            formats=formats,
            margin=plasticity.margin,
            readout_margin=plasticity.readout_margin,
            margin_excludes_self_coupling=plasticity.margin_excludes_self_coupling,
        )
        refuse_growth(weights)
        formats_of = dict(zip(BLOCKS, latent_formats(settings, formats), strict=True))
        latent = {
            name: formats_of[name].quantize(getattr(network, name))[0]
            for name in cls._have_latent(settings)
        }
        synapses = cls(
            settings,
            weights,
            latent,
            seed_registers(
                stream_key(training.seed, _REGISTER_STREAM), weights.n_neurons + weights.n_outputs
            ),
            np.zeros((len(cls.learned), 2), np.int64),
        )
        synapses._exponents(Job(1, np.ones(1), 0))
        synapses._expose_weights()
        return synapses

    @classmethod
    def _have_latent(cls, settings: Settings) -> dict[str, int]:
        """Return the blocks that have latent weights, with their bits that fields do not see."""
        unseen_bits = dict(zip(BLOCKS, find_unseen_bits(settings), strict=True))
        return {name: bits for name, bits in unseen_bits.items() if bits and name in cls.learned}

    def network(self) -> BinaryNetwork:
        """Return the network as floating-point values, which are exactly those of the integers."""
        return dequantize(self.weights)

    def relaxable(self) -> QuantizedNetwork:
        """Return the network as it is to be relaxed: in integers."""
        return self.weights

    def take_inputs(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return inputs as integers of the network's format."""
        return read_inputs("inputs", X, self.weights.formats.inputs)

    def round_off(self, means: BinaryNetwork) -> QuantizedNetwork:
        """Return the network whose weights are the means, each rounded to its block's format."""
        formats = self.weights.formats
        blocks = {name: getattr(formats, name).quantize(getattr(means, name))[0] for name in BLOCKS}
        # One bit has no 0 for couplings that are not there.
        np.fill_diagonal(blocks["couplings"], 0)
        if self.weights.connectivity is not None:
            blocks["couplings"] *= self.weights.connectivity
        return replace(self.weights, **blocks)

    def take_over(self, network: Any) -> None:
        """Take over all weights but the readout, as latent ones, too: they expose themselves."""
        self.weights = replace(network, readout=self.weights.readout)
        for name, unseen_bits in self._have_latent(self.settings).items():
            if name != "readout":
                wide = getattr(network, name).astype(self.latent[name].dtype)
                self.latent[name] = wide << unseen_bits

    @abstractmethod
    def _kernels(self) -> Any:
        """Return the rule's `RuleKernels`."""

    def _feedback_rate(self) -> float:
        """Return the rate of W_back with its prefactor."""
        return 0.0

    def _error_parameters(self) -> tuple[int, int]:
        """Return `error_scale` and `error_threshold` of the kernels' rule."""
        return 0, 0

    def lay_out(self, job: Job) -> LaidOutRule:
        """Return the synapses as the kernels take them."""
        from binnet_kernels.rules.integer_records import IntegerMemory, make_work
        from binnet_kernels.structs import allocate_rows, to_banks, to_windows
        from binnet_kernels.training.records import Model

        w, n_banks = self.weights, job.n_banks
        structure = lay_out_structure(w, n_banks, np.dtype(np.int32))

        def to_rows(values: NDArray[Any]) -> NDArray[Any]:
            rows = allocate_rows(len(values), w.n_neurons, n_banks, values.dtype)
            rows[:, : w.n_neurons] = values
            return rows

        connectivity = np.zeros((0, 0, 0), np.uint8)
        if w.connectivity is not None:
            connectivity = to_windows(w.connectivity.T.astype(np.uint8), structure.windows)
        shifts = (w.formats.coupling_shift, w.formats.input_shift, 0)
        model = Model(
            to_windows(w.couplings.T, structure.windows),
            to_banks(w.input_weights.T, n_banks),
            to_rows(w.readout),
            np.array([1 << shift for shift in shifts], np.int64),
            *structure,
            to_rows(sum_feedback(w.feedback, w.formats).astype(np.int32)),
            np.zeros((0, 0), np.int32),
            connectivity,
            np.zeros(0, np.int32),
        )
        exposed = to_banks(w.feedback.T, n_banks)
        learned = dict(
            zip(BLOCKS, (model.couplings, model.input_weights, model.readout, exposed), strict=True)
        )
        for name, block in self.latent.items():
            if name == "couplings":
                learned[name] = to_windows(block.T, structure.windows)
            else:
                learned[name] = to_rows(block) if name == "readout" else to_banks(block.T, n_banks)
        unseen_bits = self._have_latent(self.settings)
        low, high = zip(*(exposed_range(getattr(w.formats, name)) for name in BLOCKS), strict=True)
        memory = IntegerMemory(
            learned["couplings"],
            learned["input_weights"],
            learned["readout"],
            learned["feedback"],
            exposed,
            np.array([unseen_bits.get(name, 0) for name in BLOCKS]),
            np.array(low),
            np.array(high),
            self.registers[: w.n_neurons],
            self.registers[w.n_neurons :],
            *make_work(
                w.n_neurons,
                w.input_weights.shape[1],
                w.n_outputs,
                n_banks,
                self.settings.training.batch_size,
                is_graded=w.formats.inputs.bits > 1,
            ),
        )
        thresholds = to_rows(self._thresholds()[None])[0]
        return LaidOutRule(self._kernels(), model, self._rule(job, thresholds), memory)

    def _thresholds(self) -> NDArray[np.int32]:
        """Return kappa, and the help that is not to count, of each neuron."""
        plasticity, bits = self.settings.plasticity, self.weights.formats.fraction_bits
        margin = math.floor(math.ldexp(plasticity.margin, bits))
        help_ = plasticity.fixed_help(self.weights) * plasticity.margin_excludes_self_coupling
        return (margin + help_).astype(np.int32)

    def _rule(self, job: Job, thresholds: NDArray[np.int32]) -> Any:
        from binnet_kernels.rules import integer_synapses
        from binnet_kernels.rules.integer_records import IntegerRule

        settings = self.settings
        arithmetic, formats = settings.arithmetic, latent_formats(settings, self.weights.formats)
        roundings = ("PER_WEIGHT", "PER_EVENT", "NEAREST")
        decays, period = derive_decays(settings)
        exponents, learns = self._exponents(job)
        inputs = self.weights.formats.inputs
        return IntegerRule(
            learns,
            np.array([format.low for format in formats]),
            np.array([format.high for format in formats]),
            np.array([format.step for format in formats]),
            exponents,
            np.array([*decays, -1]),
            period,
            getattr(integer_synapses, roundings[ROUNDINGS.index(arithmetic.rounding)]),
            arithmetic.generator == "lfsr" and arithmetic.rounding != "nearest",
            np.cumsum((0, *self.weights.sizes)),
            derive_shifts(settings),
            thresholds,
            np.full(2, self.weights.readout_margin, np.int64),
            stream_key(settings.training.seed, _UPDATE_STREAM),
            job.first_batch,
            *self._error_parameters(),
            inputs.fraction_bits if inputs.bits > 1 else -1,
        )

    def _exponents(self, job: Job) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return k of each block in each batch, and what decays' k is raised by; who learns."""
        base = derive_exponents(self.settings, self.weights.formats, self._feedback_rate())
        raised = np.rint(-np.log2(job.rate_factors)).astype(np.int64)
        columns = [np.full(len(raised), 0 if k is None else k) + raised for k in base]
        exponents = np.minimum(np.stack([*columns, raised], axis=1), EXPONENTS[1])
        return exponents, np.array([k is not None for k in base])

    def take_back(self, laid_out: LaidOutRule) -> None:
        """Take over the weights, latent weights and counts that the kernels have changed."""
        from binnet_kernels.structs import from_banks, from_windows

        model, memory, n_hidden = laid_out.model, laid_out.memory, self.weights.n_neurons

        def gather(couplings: Any, input_weights: Any, readout: Any, feedback: Any) -> Any:
            blocks = (
                from_windows(couplings, model.windows, n_hidden).T,
                from_banks(input_weights, n_hidden).T,
                readout[:, :n_hidden],
                from_banks(feedback, n_hidden).T,
            )
            return {
                name: np.ascontiguousarray(block)
                for name, block in zip(BLOCKS, blocks, strict=True)
                if name in self.learned
            }

        exposed = gather(
            model.couplings, model.input_weights, model.readout, memory.exposed_feedback
        )
        self.weights = replace(self.weights, **exposed)
        if self.latent:
            wide = gather(memory.couplings, memory.input_weights, memory.readout, memory.feedback)
            self.latent = {name: wide[name] for name in self.latent}
        self.counts += memory.counts.sum(axis=0)[: len(self.learned)]

    def _expose_weights(self) -> None:
        """Write the highest bits of the latent weights, rounded, into the weights."""
        from binnet_kernels.rules.integer_synapses import Place, expose_weights

        w = self.weights
        exposed: dict[str, Any] = {}
        unseen_bits = self._have_latent(self.settings)
        everywhere = np.zeros((0, 0, 0), np.uint8)
        for name, block in self.latent.items():
            is_square = name == "couplings"
            present = everywhere
            if is_square and w.connectivity is not None:
                present = w.connectivity[None].astype(np.uint8)
            exposed[name] = np.zeros(block.shape, getattr(w, name).dtype)
            place = Place(0, 0, is_square, present, 0, 0)
            ends = exposed_range(getattr(w.formats, name))
            expose_weights(block, exposed[name], place, unseen_bits[name], *ends)
        self.weights = replace(w, **exposed)

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by name."""
        tensors = {name: getattr(self.weights, name) for name in BLOCKS}
        tensors |= {f"{_LATENT}{name}": block for name, block in self.latent.items()}
        tensors |= {"registers": self.registers, "synapses": self.counts}
        if self.weights.connectivity is not None:
            tensors["connectivity"] = self.weights.connectivity.astype(np.uint8)
        return tensors

    def count_updates(self) -> NDArray[np.int64]:
        """Return the changes of weights and the sums that saturated of each block, (4, 2)."""
        counts = np.zeros((len(BLOCKS), 2), np.int64)
        counts[: len(self.counts)] = self.counts
        return counts

    def describe(self) -> dict[str, Any]:
        """Return the formats, and what the network holds besides its blocks."""
        names = (*SCALARS, "sizes", "excitation") if len(self.weights.sizes) > 1 else SCALARS
        return {
            "formats": self.weights.formats.to_dict(),
            "scalars": {name: getattr(self.weights, name) for name in names},
        }

    @classmethod
    def expect_tensors(cls, settings: Settings) -> dict[str, tuple[tuple[int, ...], str]]:
        """Return shape and dtype of each array that is always there."""
        p, arithmetic = settings.network, settings.arithmetic
        latent, expected = cls._have_latent(settings), expect_blocks(settings, "")
        bits = zip(arithmetic.bits_of_blocks, arithmetic.stored_bits_of_blocks, strict=True)
        for name, widths in zip(BLOCKS, bits, strict=True):
            own, wide = (QFormat(width, 0).dtype.name for width in widths)
            expected[name] = (expected[name][0], own)
            if name in latent:
                expected[f"{_LATENT}{name}"] = (expected[name][0], wide)
        expected["registers"] = ((p.n_neurons + p.n_outputs,), "uint16")
        expected["synapses"] = ((len(cls.learned), 2), "int64")
        return expected

    @classmethod
    def from_tensors(cls, settings: Settings, tensors: Tensors, info: Record) -> Self:
        """Return the synapses with these arrays, formats and scalars."""
        connectivity = tensors.get("connectivity")
        found = info.table("scalars")
        names = (*SCALARS, "sizes", "excitation") if settings.network.n_modules > 1 else SCALARS
        scalars = {name: found.per_module(name) for name in names}
        blocks: dict[str, Any] = {name: tensors[name] for name in BLOCKS}
        weights = QuantizedNetwork(
            **blocks,
            formats=read_formats(info.table("formats")),
            connectivity=None if connectivity is None else connectivity.astype(bool),
            has_biases=settings.network.has_biases,
            **scalars,
        )
        latent = {
            name.removeprefix(_LATENT): tensor.copy()
            for name, tensor in tensors.items()
            if name.startswith(_LATENT)
        }
        formats = dict(zip(BLOCKS, latent_formats(settings, weights.formats), strict=True))
        for name, block in latent.items():
            low, high = formats[name].low, formats[name].high
            if block.min() < low or block.max() > high:
                raise ValueError(
                    f"{_LATENT}{name} must be within {low}..{high}, got {block.min()} to "
                    f"{block.max()}"
                )
        registers, counts = tensors["registers"], tensors["synapses"]
        if (registers == 0).any() or (counts < 0).any():  # a register of 0 would stay 0
            raise ValueError("registers must not be 0 and the counts of synapses not negative")
        return cls(settings, weights, latent, registers.copy(), counts.copy())

    def batches_before_pause(self, batch: int) -> None:
        """Return None: integers have no scales that would have to be multiplied in."""

    def pause(self) -> None:
        """Do nothing: the weights are always in order."""
