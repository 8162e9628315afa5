"""The state of a run that learns in integers: weights, shift registers, and where it stands.

After the initial weights are rounded, no weight, field or margin is a floating-point number again;
only the measurements at the end of an epoch are turned into values to be read.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binnet.dynamics import check_amplitudes, check_dynamics, make_update, stream_key
from binnet.learning._state import DYNAMICS_STREAM, RunState
from binnet.learning.arithmetic import EXPONENTS, ROUNDINGS
from binnet.learning.configuration import Configuration
from binnet.networks import (
    BLOCKS,
    BinaryNetwork,
    LaidOut,
    NetworkFormats,
    QFormat,
    QuantizedNetwork,
    choose_fraction_bits,
    dequantize,
    lay_out,
    quantize,
)
from binnet.networks.quantised import refuse_overflow, sum_feedback

LEARNED = BLOCKS[:3]
WIDE = "wide_"  # before the names of wide synapses in a checkpoint
_UPDATE_STREAM, _REGISTER_STREAM = 3, 4
# Room for the learned blocks to grow, and how much faster than in floating point each is to learn
# (k is lowered by it): chosen on a validation split at H = 400, docs/results/hardware.md. Few bits
# want slow input weights, whose random steps are coarse, and a fast readout; wide synapses learn
# alike at all widths of the weights.
GROWTH = (1.0, 1.5, 2.0)
FASTER = {16: (1, 0, 1), 8: (3, 0, 2), 4: (0, -3, 1), 2: (0, -3, 1), 1: (0, -3, 1)}
FASTER_WIDE = (3, 0, 2)
_DECAY_EXPONENT = 8  # of the fastest decay: the others' then fit into the 16 bits of a draw


@dataclass(eq=False)
class IntegerState(RunState):
    """A run in integers that can be stopped between any two calls of `learn`.

    `registers` (H + C,) are the shift registers of the hidden neurons and the readout. `synapses`
    (3, 2) count, for couplings, input weights and readout, the changes of weights and the sums that
    saturated since the start of the run. `wide` are the synapses of these three blocks by name,
    where they have more bits than the weights, which then show the highest of them.
    """

    weights: QuantizedNetwork = field(kw_only=True)
    wide: dict[str, NDArray[Any]] = field(kw_only=True)
    registers: NDArray[np.uint16] = field(kw_only=True)
    synapses: NDArray[np.int64] = field(kw_only=True)

    @classmethod
    def start(cls, configuration: Configuration, n_samples: int, fingerprint: str) -> IntegerState:
        """Return the state before the first batch."""
        from binnet_kernels.rules.integer import seed_registers

        training, rule = configuration.training, configuration.plasticity
        # Refused here rather than by the first batch.
        check_amplitudes(configuration.schedule.amplitudes, np.dtype(np.int32))
        network = BinaryNetwork.random(configuration.network, training.seed, np.float64)
        formats = choose_training_formats(configuration, network)
        weights, _ = quantize(
            network,
            formats=formats,
            margin=rule.margin,
            readout_margin=rule.readout_margin,
            margin_excludes_self_coupling=rule.margin_excludes_self_coupling,
        )
        _refuse_overflow(weights)
        derive_exponents(configuration, formats)
        wide = {}
        if configuration.arithmetic.hidden_bits:
            synapses = zip(LEARNED, synapse_formats(configuration, formats), strict=True)
            wide = {name: form.quantize(getattr(network, name))[0] for name, form in synapses}
            weights = _show(wide, weights, configuration.arithmetic.hidden_bits)
        n_neurons = weights.n_hidden + weights.n_outputs
        return cls(
            configuration,
            n_samples,
            fingerprint,
            weights=weights,
            wide=wide,
            registers=seed_registers(stream_key(training.seed, _REGISTER_STREAM), n_neurons),
            synapses=np.zeros((3, 2), np.int64),
        )

    def network(self) -> BinaryNetwork:
        """Return the network as floating-point values, which are exactly those of the integers."""
        return dequantize(self.weights)

    def relaxable(self) -> QuantizedNetwork:
        """Return the network as it is to be relaxed: in integers."""
        return self.weights

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return the arrays of the state by name."""
        blocks = {name: getattr(self.weights, name) for name in BLOCKS}
        wide = {f"{WIDE}{name}": block for name, block in self.wide.items()}
        return {**blocks, **wide, "registers": self.registers, "synapses": self.synapses}

    def learn(
        self, X: NDArray[np.int8], y: NDArray[np.int64], n_batches: int, threads: int
    ) -> float:
        """Learn up to `n_batches` batches, within the epoch, in one compiled call; its seconds."""
        from binnet_kernels.lowlevel.rng import derive_key
        from binnet_kernels.structs import (
            allocate_rows,
            find_windows,
            from_banks,
            make_outcome,
            make_scratch,
            make_structure,
            to_banks,
        )
        from binnet_kernels.training import batches as training
        from binnet_kernels.training import integer_batches as kernels

        configuration, weights = self.configuration, self.weights
        parameters, n_hidden = configuration.training, weights.n_hidden
        size, dtype = parameters.batch_size, np.int32
        n_batches = min(n_batches, self.batches_per_epoch - self.batch)
        first = self.batch * size
        order = self._order()[first : first + n_batches * size]
        laid_out: LaidOut = lay_out(weights)
        readout = allocate_rows(weights.n_outputs, n_hidden, threads, weights.readout.dtype)
        feedback = allocate_rows(weights.n_outputs, n_hidden, threads, dtype)
        readout[:, :n_hidden] = weights.readout
        feedback[:, :n_hidden] = laid_out.feedback
        shifts = (weights.formats.coupling_shift, weights.formats.input_shift, 0)
        model = training.Model(
            to_banks(weights.couplings.T, threads),
            to_banks(weights.input_weights.T, threads),
            readout,
            np.array([1 << shift for shift in shifts], np.int64),
            *make_structure(
                find_windows(None, n_hidden, threads),
                np.full(n_hidden, weights.self_coupling),
                threads,
                dtype,
            ),
            feedback,
            np.zeros((0, 0), dtype),
            np.zeros((0, 0, 0), np.uint8),
        )
        synapses = kernels.Synapses(
            model.couplings, model.input_weights, model.readout, 0, *_shown_range(weights.formats)
        )
        if self.wide:
            wide_readout = allocate_rows(
                weights.n_outputs, n_hidden, threads, self.wide["readout"].dtype
            )
            wide_readout[:, :n_hidden] = self.wide["readout"]
            synapses = synapses._replace(
                couplings=to_banks(self.wide["couplings"].T, threads),
                input_weights=to_banks(self.wide["input_weights"].T, threads),
                readout=wide_readout,
                n_hidden_bits=configuration.arithmetic.hidden_bits,
            )
        work = training.make_workspace(
            size, n_hidden, weights.n_inputs, weights.n_outputs, threads, dtype
        )
        amplitudes = configuration.schedule.amplitudes.astype(dtype)
        begun = time.perf_counter()
        kernels.train_batches_integer(
            model,
            synapses,
            self._rule(),
            training.Batches(
                X,
                y,
                order,
                size,
                np.ones(n_batches),
                np.uint64(derive_key(stream_key(parameters.seed, DYNAMICS_STREAM), self.epoch)),
                first,
            ),
            self._exponents(n_batches),
            amplitudes,
            make_update(
                check_dynamics(parameters.dynamics, parameters.update_probability),
                n_hidden,
                work.keys,
                stop_at_cycle=False,
            ),
            work,
            make_outcome(size, n_hidden, len(amplitudes), threads, dtype),
            make_scratch(size, n_hidden, dtype),
            training.Counts(self.changes, self.totals),
            kernels.Randomness(
                stream_key(parameters.seed, _UPDATE_STREAM),
                self.epoch * self.batches_per_epoch + self.batch,
                self.registers[:n_hidden],
                self.registers[n_hidden:],
            ),
            kernels.make_room(n_hidden, weights.n_outputs, threads),
            self.synapses,
        )
        seconds = time.perf_counter() - begun

        def gather(banks: Any) -> dict[str, Any]:
            return {
                "couplings": np.ascontiguousarray(from_banks(banks.couplings, n_hidden).T),
                "input_weights": np.ascontiguousarray(from_banks(banks.input_weights, n_hidden).T),
                "readout": np.ascontiguousarray(banks.readout[:, :n_hidden]),
            }

        self.weights = replace(weights, **gather(model))
        if self.wide:
            self.wide = gather(synapses)
        self.batch += n_batches
        return seconds

    def _exponents(self, n_batches: int) -> NDArray[np.int64]:
        """Return k of each block in the next batches, and what the decays' k is raised by."""
        base = derive_exponents(self.configuration, self.weights.formats)
        raised = np.rint(-np.log2(self._rate_factors(self.batch, n_batches))).astype(np.int64)
        columns = [np.full(n_batches, 0 if k is None else k) + raised for k in base]
        return np.minimum(np.stack([*columns, raised], axis=1), EXPONENTS[1])

    def _rule(self) -> Any:
        from binnet_kernels.rules import integer as plasticity
        from binnet_kernels.training.integer_batches import IntegerRule

        arithmetic, weights = self.configuration.arithmetic, self.weights
        formats = synapse_formats(self.configuration, weights.formats)
        roundings = (plasticity.PER_WEIGHT, plasticity.PER_EVENT, plasticity.NEAREST)
        decays, period = derive_decays(self.configuration)
        base = derive_exponents(self.configuration, weights.formats)
        return IntegerRule(
            np.array([k is not None for k in base]),
            np.array([format.low for format in formats]),
            np.array([format.high for format in formats]),
            np.array([format.step for format in formats]),
            np.array(decays),
            period,
            roundings[ROUNDINGS.index(arithmetic.rounding)],
            arithmetic.generator == "lfsr" and arithmetic.rounding != "nearest",
            np.full(weights.n_hidden, weights.margin, np.int32),
            weights.readout_margin,
        )


def choose_training_formats(configuration: Configuration, network: BinaryNetwork) -> NetworkFormats:
    """Return the formats of a run: as given, or fitted to initial weights that will grow."""
    arithmetic = configuration.arithmetic
    given = arithmetic.fraction_bits
    if given:
        chosen = list(given)
    else:
        growth = (*GROWTH, 1.0)
        chosen = [
            choose_fraction_bits(getattr(network, name) * factor, arithmetic.bits)
            for name, factor in zip(BLOCKS, growth, strict=True)
        ]
    formats = [QFormat(arithmetic.bits, fraction_bits) for fraction_bits in chosen]
    return NetworkFormats(*formats)


def synapse_formats(configuration: Configuration, formats: NetworkFormats) -> list[QFormat]:
    """Return the formats of the synapses of the learned blocks: those of the weights, or wider."""
    arithmetic = configuration.arithmetic
    bits, hidden_bits = arithmetic.synapse_bits or arithmetic.bits, arithmetic.hidden_bits
    weights = [getattr(formats, name) for name in LEARNED]
    return [QFormat(bits, weight.fraction_bits + hidden_bits) for weight in weights]


def derive_exponents(
    configuration: Configuration, formats: NetworkFormats
) -> tuple[int | None, ...]:
    """Return k of couplings, input weights and readout; None for a block that does not learn.

    An event moves a weight by 2**-k levels: a power of two near the rate of the plasticity.
    """
    given = configuration.arithmetic.rate_exponents
    rates = configuration.plasticity.scaled_rates(configuration.network)
    exponents: list[int | None] = []
    synapses = synapse_formats(configuration, formats)
    arithmetic = configuration.arithmetic
    faster = FASTER_WIDE if arithmetic.hidden_bits else FASTER[arithmetic.bits]
    for block, (name, rate, format) in enumerate(zip(LEARNED, rates, synapses, strict=True)):
        if rate == 0.0:
            exponents.append(None)
            continue
        if given:
            exponents.append(given[block])
            continue
        levels = rate / math.sqrt(configuration.training.batch_size) / format.resolution
        k = round(-math.log2(levels / format.step)) - faster[block]
        if not EXPONENTS[0] <= k <= EXPONENTS[1]:
            raise ValueError(
                f"an event would change the {name} by 2**{-k} levels, which must be 2**-15..2**14; "
                "choose other fraction bits, another rate or --rate-exponents"
            )
        exponents.append(k)
    return tuple(exponents)


def derive_decays(configuration: Configuration) -> tuple[list[int], int]:
    """Return k of each block's decay by 2**-k (-1: none), and every how many batches it comes."""
    losses = configuration.plasticity.losses(configuration.network)
    if not losses.any():
        return [-1, -1, -1], 1
    if configuration.arithmetic.bits == 1 and not configuration.arithmetic.hidden_bits:
        raise ValueError(
            "weights of one bit are -1 or +1 and cannot decay towards 0; set decay_couplings, "
            "decay_input and decay_readout to 0"
        )
    period = 2 ** max(0, round(-math.log2(losses.max())) - _DECAY_EXPONENT)
    exponents = [
        -1 if loss == 0 else min(round(-math.log2(loss * period)), EXPONENTS[1]) for loss in losses
    ]
    return [k if k < 0 else max(k, 1) for k in exponents], period


def _shown_range(formats: NetworkFormats) -> tuple[int, int]:
    """Return the ends of a weight, as `show_weights` takes them: reversed for one bit."""
    ends = formats.couplings.low, formats.couplings.high
    return ends if formats.couplings.bits > 1 else (1, -1)


def _show(
    wide: dict[str, NDArray[Any]], weights: QuantizedNetwork, hidden_bits: int
) -> QuantizedNetwork:
    from binnet_kernels.rules.integer import show_weights

    shown: dict[str, Any] = {
        name: np.zeros(block.shape, getattr(weights, name).dtype) for name, block in wide.items()
    }
    for name, block in wide.items():
        is_square = name == "couplings"
        show_weights(block, shown[name], 0, is_square, hidden_bits, *_shown_range(weights.formats))
    return replace(weights, **shown)


def _refuse_overflow(weights: QuantizedNetwork) -> None:
    """Refuse formats whose fields could overflow with all weights at the end of their range."""
    formats = weights.formats
    bounds = [-getattr(formats, name).low for name in LEARNED]
    couplings = (weights.n_hidden - 1) * bounds[0] << formats.coupling_shift
    inputs = weights.n_inputs * bounds[1] << formats.input_shift
    steering = int(np.abs(sum_feedback(weights.feedback, formats)).max())
    refuse_overflow(
        couplings + inputs + steering + weights.self_coupling, weights.n_hidden * bounds[2]
    )
