"""How the network of RUN learns, as `binnet hardware report` counts it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from binnet.cli import _runs
from binnet.cli._networks import Source
from binnet.hardware.learning_design import LearningDesign
from binnet.learning import Configuration, Run
from binnet.learning.rules import Perceptron
from binnet.learning.rules._levels import derive_decays, derive_exponents
from binnet.networks import QuantizedNetwork


class Design(NamedTuple):
    """A design, or why there is none."""

    found: LearningDesign | None
    reason: str | None


def find_design(run: Path, source: Source, samples: int) -> Design:
    """Return how a chip would learn as RUN did; what is quantised here, as in those integers."""
    training = source.training
    if training is None:
        return Design(
            None, "a file of a network does not say how it learned; name the run's folder"
        )
    reason = _find_obstacle(training.configuration)
    if reason is not None:
        return Design(None, f"{reason} is not counted")
    (X, y), _ = _runs.load_samples_of(run, training)
    # In another order than that of the data, where classes may come one after the other.
    seed = training.configuration.training.seed
    chosen = np.random.default_rng(seed).permutation(len(y))[:samples]
    try:
        options = _describe(source, training)
    except ValueError as error:  # of an arithmetic in which it could not have learned
        return Design(None, str(error))
    settings = training.configuration
    design = LearningDesign(
        np.asarray(X)[chosen], np.asarray(y)[chosen], settings.schedule,
        settings.training.batch_size, **options,
    )  # fmt: skip
    return Design(design, None)


def _find_obstacle(settings: Configuration) -> str | None:
    """Return what a training has that the count of learning does not know, if anything."""
    network = settings.network
    for is_there, name in (
        (type(settings.rule) is not Perceptron, f"learning by the rule {settings.rule.name!r}"),
        (network.n_modules > 1, "learning in several modules"),
        (network.has_biases, "learning of biases"),
        (network.has_sparse_inputs or min(network.each("density")) < 1.0,
         "learning where connections are missing"),
        (settings.training.update_order != "sync",
         f"learning with the update order {settings.training.update_order!r}"),
        (settings.plasticity.readout_targets != "equal",
         f"learning with readout targets {settings.plasticity.readout_targets!r}"),
    ):  # fmt: skip
        if is_there:
            return name
    return None


def _describe(source: Source, training: Run) -> dict[str, Any]:
    """Return exponents, decays, rounding and thresholds as keywords of a design."""
    settings, network = training.configuration, source.network
    plasticity = settings.plasticity
    if not isinstance(network, QuantizedNetwork):
        losses = plasticity.losses(settings.network)
        rates = plasticity.scaled_rates(settings.network)
        help_ = plasticity.fixed_help(network)[0] * plasticity.margin_excludes_self_coupling
        return {
            "exponents": tuple(0 if rate > 0 else None for rate in rates),
            "decays": tuple((losses > 0).tolist()),
            "threshold": plasticity.margin + float(help_),
            "readout_threshold": plasticity.readout_margin,
        }
    if source.quantization is not None:
        inputs = network.formats.inputs
        settings = settings.replace(
            arithmetic=f"int{network.formats.couplings.bits}", input_bits=inputs.bits,
            input_format="signed" if inputs.signed else "unsigned",
        )  # fmt: skip
        if settings.arithmetic.bits == 1:  # which cannot decay
            settings = settings.replace(decay_couplings=0.0, decay_input=0.0, decay_readout=0.0)
    decays, period = derive_decays(settings)
    return {
        "exponents": tuple(derive_exponents(settings, network.formats)[:3]),
        "decays": tuple(k >= 0 for k in decays),
        "decay_period": period,
        "rounding": settings.arithmetic.rounding,
        "generator": settings.arithmetic.generator,
    }
