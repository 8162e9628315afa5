"""Runs of learning on a core: which of them it can go on with, and the words that let it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from binnet._validation import check_integer
from binnet.chips.design import (
    MOST_NEURONS,
    MOST_SAMPLES,
    CoreLearning,
    design_core,
)
from binnet.chips.protocol import learn, set_register, update
from binnet.learning import Run
from binnet.learning.arithmetic import EXPONENTS
from binnet.learning.integer_plasticity import describe_integer_plasticity, take_latent
from binnet.learning.samples import check_samples, draw_order
from binnet.networks import QuantizedNetwork

# What a core does not do: the parameter, whether its value is one of those, why, and the remedy.
_REFUSED: tuple[tuple[str, Any, str, str], ...] = (
    (
        "arithmetic",
        lambda value: value == "float",
        "a core computes in integers",
        "train with int8, int4, int2 or int1",
    ),
    (
        "rule",
        lambda value: value != "perceptron",
        "a core has the perceptron rule alone",
        'set rule to "perceptron"',
    ),
    (
        "n_modules",
        lambda value: value > 1,
        "a core holds one module",
        "set n_modules to 1",
    ),
    (
        "bias_strength",
        lambda value: value > 0,
        "a core has no input that is always +1",
        "set it to 0, and give the data such an input",
    ),
    (
        "density",
        lambda value: value < 1,
        "a core does not know which couplings are missing, and would let them learn",
        "set it to 1",
    ),
    (
        "input_bits",
        lambda value: value > 1,
        "the events of a core that learns are those of spins",
        "set it to 1",
    ),
    (
        "update_order",
        lambda value: value != "sync",
        "a core updates all neurons at once",
        'set it to "sync"',
    ),
    (
        "batch_size",
        lambda value: value > MOST_SAMPLES,
        f"a core keeps the states of at most {MOST_SAMPLES} samples",
        f"set it to 1..{MOST_SAMPLES}",
    ),
    (
        "rounding",
        lambda value: value == "nearest",
        "a core rounds at random",
        'set it to "per-weight" or "per-event"',
    ),
    (
        "generator",
        lambda value: value != "lfsr",
        "a draw by counter takes three multiplications of 64 bits for each weight",
        'set it to "lfsr"',
    ),
    (
        "averaging",
        lambda value: value > 0,
        "a core keeps no mean of its weights",
        'set it to 0, as in the preset "single"',
    ),
    (
        "input_noise",
        lambda value: value > 0,
        "a core is given its inputs as they are",
        "set it to 0",
    ),
    (
        "curriculum_start",
        lambda value: value < 1,
        "which samples an epoch leaves out depends on predictions before it",
        "set it to 1",
    ),
)


def describe_learning(run: Run) -> CoreLearning:
    """Return the plasticity of a run as a core has it.

    Parameters
    ----------
    run : Run
        A run in integers, at any batch.

    Returns
    -------
    CoreLearning
        Its plasticity, at rate factor 1.

    Raises
    ------
    ValueError
        If a core does not do what the run does: with the parameter, the reason and the remedy.
    """
    for name, is_refused, reason, remedy in _REFUSED:
        value = _find_parameter(run, name)
        values = value if isinstance(value, tuple) else (value,)
        if any(is_refused(own) for own in values):
            raise ValueError(
                f"{name} must be another one for a core, got {value!r}: {reason}; "
                f"{remedy}, or export an inference core"
            )
    plasticity = describe_integer_plasticity(run)
    for name, k in zip(("couplings", "input", "readout"), plasticity.exponents, strict=True):
        if k is not None and k < EXPONENTS[0]:
            raise ValueError(
                f"an event must change the {name} of a core by 2**{-EXPONENTS[1]}.."
                f"2**{-EXPONENTS[0]} levels, got 2**{-k}; lower rate_{name}, or readout_strength"
            )
    network = run.synapses.relaxable()
    assert isinstance(network, QuantizedNetwork)
    warmup, feedback, sweeps = _count_sweeps(run)
    return CoreLearning(
        run.configuration.training.batch_size,
        warmup,
        feedback,
        sweeps,
        _only(network.margin),
        network.readout_margin,
        plasticity.exponents,
        plasticity.decays,
        plasticity.decay_period,
        run.configuration.arithmetic.rounding,
        plasticity.formats,
    )


def take_run(
    run: Run,
) -> tuple[QuantizedNetwork, CoreLearning, dict[str, NDArray[Any]], NDArray[np.uint16]]:
    """Return all that a core takes over of a run, to go on where it stands.

    Parameters
    ----------
    run : Run
        A run in integers.

    Returns
    -------
    network : QuantizedNetwork
        Its network.
    learning : CoreLearning
        Its plasticity.
    latent : dict of str to ndarray
        Its latent weights; empty where it has none.
    registers : ndarray of uint16, shape (H + C,)
        Its shift registers.

    Raises
    ------
    ValueError
        If a core does not do what the run does.
    """
    learning = describe_learning(run)
    network = run.synapses.relaxable()
    assert isinstance(network, QuantizedNetwork)
    latent, _ = take_latent(run)
    return network, learning, latent, run.synapses.tensors()["registers"]


def training_words(run: Run, X: ArrayLike, y: ArrayLike, n_samples: int) -> list[int]:
    """Return the words that let a core learn the next samples of a run, as training would.

    The core begins where the run stands, with the contents of `take_run` and no sample of a batch.
    The words set what changes from batch to batch, present the samples in the order of the run, and
    end a batch that the end of an epoch leaves short. Where `n_samples` end within a batch, it is
    left open. The run stays as it is, and its patience is not asked.

    Parameters
    ----------
    run : Run
        A run that a core can go on with.
    X : array_like, shape (run.n_samples, N_in)
        Its training inputs.
    y : array_like of int, shape (run.n_samples,)
        Their labels.
    n_samples : int
        Samples to present, at most those that the run has before it.

    Returns
    -------
    list of int
        The words; they fit this run's core of any number of elements.

    Raises
    ------
    ValueError
        If a core does not do what the run does, or the samples are not there.
    """
    learning = describe_learning(run)
    network = run.synapses.relaxable()
    assert isinstance(network, QuantizedNetwork)
    design = design_core(network, 1, learning=learning)
    inputs, labels = check_samples("", X, y, run.configuration, 1)
    if len(inputs) != run.n_samples:
        raise ValueError(
            f"X must hold the {run.n_samples} samples of the run, got {len(inputs)}; pass what it "
            "was trained on"
        )
    size, epochs = run.configuration.training.batch_size, run.configuration.training.epochs
    seed, per_epoch = run.configuration.training.seed, math.ceil(run.n_samples / size)
    left = (epochs - run.epoch) * run.n_samples - min(run.batch * size, run.n_samples)
    check_integer("n_samples", n_samples, 0, left)
    first = run.epoch * per_epoch + run.batch
    words = set_register(design, "BATCHES", first)
    rates: dict[str, int] = {}
    for batch in range(first, epochs * per_epoch):
        if n_samples == 0:
            break
        epoch, number = divmod(batch, per_epoch)
        order = draw_order(seed, epoch, run.n_samples)[number * size : (number + 1) * size]
        for name, value in _list_rates(run, batch, epochs * per_epoch):
            if rates.get(name) != value:
                words += set_register(design, name, value)
                rates[name] = value
        for sample in order[:n_samples]:
            words += learn(design, inputs[sample], labels[sample])
        if len(order) < size and len(order) <= n_samples:
            words += update()
        n_samples -= min(n_samples, len(order))
    return words


def _find_parameter(run: Run, name: str) -> Any:
    """Return a parameter of the run's configuration, in whichever of its parts it is."""
    if name == "rule":
        return run.configuration.rule.name
    parts = run.configuration.to_dict().values()
    return next(part[name] for part in parts if name in part)


def _only(value: int | tuple[int, ...]) -> int:
    """Return the value of the only module."""
    return value[0] if isinstance(value, tuple) else value


def _count_sweeps(run: Run) -> tuple[int, int, int]:
    """Return the sweeps before the feedback, until it ends, and in all."""
    amplitudes = run.configuration.schedule.amplitudes
    if len(amplitudes) > MOST_NEURONS:
        raise ValueError(
            f"feedback + free must be within 1..{MOST_NEURONS} sweeps for a core, got "
            f"{len(amplitudes)}; shorten the schedule"
        )
    steered = np.flatnonzero(amplitudes)  # they are 1, one after the other
    if len(steered) == 0:
        return 0, 0, len(amplitudes)
    return int(steered[0]), int(steered[-1]) + 1, len(amplitudes)


def _list_rates(run: Run, batch: int, n_batches: int) -> Iterator[tuple[str, int]]:
    """Yield the registers that rates are in, and what they hold in a batch."""
    factor = float(run.configuration.plasticity.rate_factors(batch, 1, n_batches)[0])
    plasticity = describe_integer_plasticity(run, factor)
    for prefix, exponents in (
        ("EXPONENT", plasticity.exponents),
        ("DECAY_EXPONENT", plasticity.decays),
    ):
        for block, k in enumerate(exponents):
            if k is not None:
                yield f"{prefix}_{block}", k
