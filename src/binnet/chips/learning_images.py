"""What a core's learning goes on from, in memory images: out of a run, and back into a core."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from binnet.chips.design import CoreLearning
from binnet.chips.runs import take_run
from binnet.hardware.learning_image import LEARNED, LearningImage
from binnet.hardware.memory_images import MemoryImages
from binnet.learning import Run
from binnet.learning.integer_plasticity import take_latent
from binnet.networks import QuantizedNetwork

if TYPE_CHECKING:
    from binnet.chips.learning_vectors import LearningVectors

_BEYOND = "from its end on in further epochs, at the rates of its last batch"
_NUMBERS = ("batch_size", "warmup", "feedback", "sweeps", "threshold", "readout_threshold")


def make_learning_image(run: Run, vectors: LearningVectors | None = None) -> LearningImage:
    """Return what learning goes on from where a run stands, as memory images keep it.

    Parameters
    ----------
    run : Run
        A run that a core can go on with.
    vectors : LearningVectors, optional
        Golden vectors that are written beside. Default: none.

    Returns
    -------
    LearningImage
        Latent weights, where there are some, registers and constants.

    Raises
    ------
    ValueError
        If a core does not do what the run does.
    """
    _, learning, _, registers = take_run(run)
    latent, formats = take_latent(run)
    return LearningImage(latent, formats, registers, _list_constants(run, learning, vectors))


def keep_learning(run: Run) -> tuple[LearningImage | None, str]:
    """Return as much of what learning goes on from as images of a run's network can keep.

    Parameters
    ----------
    run : Run
        Any run in integers.

    Returns
    -------
    image : LearningImage or None
        All of it, or latent weights alone where a core cannot go on with the run; None where there
        are none, either.
    reason : str
        Why it is not all of it; else empty.
    """
    if run.mean.network is not None:
        return None, (
            "its network is the mean that its synapses keep of themselves; train with --averaging 0"
        )
    try:
        return make_learning_image(run), ""
    except ValueError as error:
        latent, formats = take_latent(run)
        return (LearningImage(latent, formats) if latent else None), str(error)


def _list_constants(
    run: Run, learning: CoreLearning, vectors: LearningVectors | None
) -> dict[str, Any]:
    """Return what the manifest of memory images says of the plasticity of a run."""
    settings = run.configuration
    per_epoch = -(-run.n_samples // learning.batch_size)
    total = settings.training.epochs * per_epoch
    constants: dict[str, Any] = {name: getattr(learning, name) for name in _NUMBERS}
    constants |= {
        "decay_period": learning.decay_period,
        "rounding": learning.rounding,
        "generator": settings.arithmetic.generator,
        "levels": {
            name: {"low": format.low, "high": format.high, "step": format.step}
            for name, format in zip(LEARNED, learning.formats, strict=True)
        },
        "exponents": dict(zip(LEARNED, learning.exponents, strict=True)),
        "decay_exponents": dict(zip(LEARNED, learning.decays, strict=True)),
        "rate_schedule": settings.plasticity.rate_schedule,
        "batches": run.epoch * per_epoch + run.batch,
        "batches_of_run": total,
        "samples_per_epoch": run.n_samples,
        "seed": settings.training.seed,
    }
    if vectors is not None:
        last = vectors.batches[-1].number
        constants["vectors"] = {
            "samples": len(vectors.labels),
            "updates": len(vectors.batches),
            "order": "as the run would present them" + (last >= total) * f"; {_BEYOND}",
        }
    return constants


def take_images(
    images: MemoryImages,
) -> tuple[QuantizedNetwork, CoreLearning, dict[str, NDArray[Any]], NDArray[np.uint16]]:
    """Return all that a core takes over of memory images, as `binnet.chips.runs.take_run` of a run.

    The next update is number ``images.manifest["learning"]["batches"]``; how rates fall from batch
    to batch is said in the manifest.

    Parameters
    ----------
    images : MemoryImages
        From `binnet.hardware.read_memory_images`.

    Returns
    -------
    network : QuantizedNetwork
        The network.
    learning : CoreLearning
        Its plasticity.
    latent : dict of str to ndarray
        Its latent weights; empty where it has none.
    registers : ndarray of uint16, shape (H + C,)
        Its shift registers.

    Raises
    ------
    ValueError
        If the images do not say how learning goes on.
    """
    image = images.learning
    if image is None or image.registers is None:
        raise ValueError(
            "these memory images hold a network that infers; export a run of `binnet train "
            "--arithmetic int8 --generator lfsr --averaging 0`, from which learning can go on"
        )
    constants = image.constants  # sealed: they are those that were written
    learning = CoreLearning(
        **{name: constants[name] for name in (*_NUMBERS, "decay_period", "rounding")},
        exponents=_list_blocks(constants["exponents"]),
        decays=_list_blocks(constants["decay_exponents"]),
        formats=_list_blocks(
            {name: getattr(images.network.formats, name) for name in LEARNED} | dict(image.formats)
        ),
    )
    return images.network, learning, dict(image.latent), image.registers


def _list_blocks(table: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    J, W_in, W_out = (table[name] for name in LEARNED)
    return J, W_in, W_out
