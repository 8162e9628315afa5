"""Accuracy against weight bits: trained in integers, with and without random rounding; quantised.

Also trained in integers with latent weights, of more bits than the weights that fields see.

Entangled MNIST, whose test set no choice of a parameter has seen.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from binnet._deprecation import renamed_members, renamed_parameter
from binnet._validation import check_integer
from binnet.datasets import load_entangled_mnist
from binnet.dynamics import predict
from binnet.learning import Configuration, preset
from binnet.networks import BITS, quantize
from binnet.studies._parts import Part, run_parts
from binnet.studies._training import observe, train_whole

if TYPE_CHECKING:
    import xarray as xr

ROUNDINGS = ("per-weight", "nearest")
# Bits of the latent weights, for each width of the weights.
LATENT_BITS = {1: 8, 2: 8, 4: 8, 8: 16}

__getattr__ = renamed_members(
    __name__, {"SYNAPSE_BITS": "LATENT_BITS", "train_wide_synapses": "train_latent_weights"}
)


def _configure(n_hidden: int, epochs: int, seed: int, **arithmetic: Any) -> Configuration:
    return preset("single").replace(n_hidden=n_hidden, epochs=epochs, seed=seed, **arithmetic)


def _configure_integers(
    bits: int, rounding: str, n_hidden: int, epochs: int, seed: int
) -> Configuration:
    return _configure(n_hidden, epochs, seed, arithmetic=f"int{bits}", rounding=rounding)


def _configure_latent(bits: int, n_hidden: int, epochs: int, seed: int) -> Configuration:
    latent_bits = LATENT_BITS[bits]
    return _configure(n_hidden, epochs, seed, arithmetic=f"int{bits}", latent_bits=latent_bits)


def train_in_floats(n_hidden: int, epochs: int, seed: int, samples: int) -> dict[str, Any]:
    """Train in floating point, then quantise the network.

    Parameters
    ----------
    n_hidden, epochs, seed : int
        Of the training, else the preset "single".
    samples : int
        Training samples; the first of 60000.

    Returns
    -------
    dict
        "accuracy" (epoch,) on the test set, and "quantized_accuracy" (bits,) of the network after
        the last epoch in 1, 2, 4, 8 and 16 bits.
    """
    data = load_entangled_mnist()
    result = train_whole(_configure(n_hidden, epochs, seed), samples)
    quantized = [
        (predict(quantize(result.network, bits)[0], data.X_test) == data.y_test).mean()
        for bits in BITS
    ]
    return {
        "accuracy": ("epoch", [metrics.accuracy["test"] for metrics in result.history]),
        "quantized_accuracy": ("bits", quantized),
    }


def train_in_integers(
    bits: int, rounding: str, n_hidden: int, epochs: int, seed: int, samples: int
) -> dict[str, Any]:
    """Train in integers.

    Parameters
    ----------
    bits : int
        Weight bits.
    rounding : {"per-weight", "per-event", "nearest"}
        See `binnet.learning.Arithmetic`.
    n_hidden, epochs, seed, samples : int
        As of `train_in_floats`.

    Returns
    -------
    dict
        "accuracy" (epoch,) on the test set.
    """
    return _measure_integers(samples, _configure_integers(bits, rounding, n_hidden, epochs, seed))


def train_latent_weights(
    bits: int, n_hidden: int, epochs: int, seed: int, samples: int
) -> dict[str, Any]:
    """Train in integers with latent weights of ``LATENT_BITS[bits]`` bits, rounded at random.

    Parameters
    ----------
    bits : {1, 2, 4, 8}
        Weight bits.
    n_hidden, epochs, seed, samples : int
        As of `train_in_floats`.

    Returns
    -------
    dict
        "accuracy" (epoch,) on the test set.
    """
    return _measure_integers(samples, _configure_latent(bits, n_hidden, epochs, seed))


def _measure_integers(samples: int, configuration: Configuration) -> dict[str, Any]:
    result = train_whole(configuration, samples)
    return {"accuracy": ("epoch", [metrics.accuracy["test"] for metrics in result.history])}


def run_weight_bits(
    output: Path,
    *,
    n_hidden: int = 400,
    epochs: int = 10,
    seeds: int = 3,
    samples: int = 60000,
    workers: int = 1,
    progress: bool = True,
) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    """Train in floating point and in integers of all widths; a stopped study goes on.

    Parameters
    ----------
    output : path
        Results go beside it: its name with .float.nc, .wide.nc and .integers.nc.
    n_hidden, epochs : int
        Of each training. Default: 400 neurons, 10 epochs.
    seeds : int, default 3
        Trainings of each kind.
    samples : int, default 60000
        Training samples.
    workers, progress : optional
        As of `binnet.sweeps.run`.

    Returns
    -------
    floats, integers, latent : xarray.Dataset
        What `train_in_floats` (seed), `train_in_integers` (bits, rounding, seed) and
        `train_latent_weights` (bits, seed) measured.
    """
    every = range(check_integer("seeds", seeds, 1))
    fixed = {"n_hidden": n_hidden, "epochs": epochs, "samples": samples}
    parts = (
        Part(
            output.with_suffix(".float.nc"),
            {"seed": every},
            observe(train_in_floats, "single", configure=_configure),
            fixed,
        ),
        Part(
            output.with_suffix(".wide.nc"),
            {"bits": tuple(LATENT_BITS), "seed": every},
            observe(train_latent_weights, "single", configure=_configure_latent),
            fixed,
        ),
        Part(
            output.with_suffix(".integers.nc"),
            {"rounding": ROUNDINGS, "bits": BITS[::-1], "seed": every},
            observe(train_in_integers, "single", configure=_configure_integers),
            fixed,
        ),
    )
    floats, latent, integers = run_parts(parts, workers=workers, progress=progress)
    return floats, integers.sortby("bits"), latent


@renamed_parameter("wide", "latent")
def summarise_weight_bits(
    floats: xr.Dataset, integers: xr.Dataset, latent: xr.Dataset
) -> dict[str, Any]:
    """Return test accuracies after the last epoch as plain values, for JSON.

    Parameters
    ----------
    floats, integers, latent : xarray.Dataset
        From `run_weight_bits`.

    Returns
    -------
    dict
        "float" (a list over seeds); "quantized", the roundings of "trained", and "wide_synapses"
        (latent weights): lists over seeds for each width.
    """
    last = integers.accuracy.isel(epoch=-1)

    def as_list(values: Any) -> list[float]:
        return [round(float(value), 4) for value in np.atleast_1d(values)]

    return {
        "float": as_list(floats.accuracy.isel(epoch=-1)),
        "quantized": {
            str(bits): as_list(floats.quantized_accuracy.isel(bits=k))
            for k, bits in enumerate(BITS)
        },
        "trained": {
            rounding: {str(bits): as_list(last.sel(bits=bits, rounding=rounding)) for bits in BITS}
            for rounding in ROUNDINGS
        },
        "wide_synapses": {
            str(bits): as_list(latent.accuracy.isel(epoch=-1).sel(bits=bits))
            for bits in LATENT_BITS
        },
    }
