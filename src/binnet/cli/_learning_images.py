"""What `binnet export` keeps of learning: of a run, or of a network file that has it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from binnet.cli import _runs
from binnet.cli._common import clear_errors
from binnet.cli._networks import Source
from binnet.cli._options import PARAMETERS
from binnet.networks import QuantizedNetwork

if TYPE_CHECKING:
    from binnet.chips.design import CoreLearning
    from binnet.chips.learning_vectors import LearningVectors
    from binnet.hardware.learning_image import LearningImage


class Kept(NamedTuple):
    """What learning goes on from, golden vectors of it, and what there is to say."""

    image: LearningImage | None
    vectors: LearningVectors | None
    lines: list[str]
    learning: CoreLearning | None = None  # of the vectors


def keep_learning(run: Path, source: Source, n_samples: int | None, elements: int | None) -> Kept:
    """Return what is kept of learning beside a network in integers, with N samples of it.

    `elements` are those of the core that is to play the samples, if there will be one.
    """
    training = source.training
    if n_samples is None:
        return _keep_what_there_is(run, source)
    if training is None:
        raise ValueError(
            f"--learning {n_samples} goes on with a run, and {run} is a file of a network; name "
            "the run folder of `binnet train --arithmetic int8 --generator lfsr --averaging 0`, or "
            "leave it out"
        )
    from binnet.chips.design import design_core
    from binnet.chips.learning_images import make_learning_image
    from binnet.chips.learning_vectors import check_stimulus, record_learning_vectors
    from binnet.chips.runs import describe_learning

    with clear_errors({p.name: p.option for p in PARAMETERS}):
        learning = describe_learning(training)  # or the reason why a core cannot go on
    if elements is not None and isinstance(source.network, QuantizedNetwork):
        check_stimulus(design_core(source.network, elements, learning=learning), n_samples)
    (X, y), _ = _runs.load_samples_of(run, training)
    vectors = record_learning_vectors(training, X, y, n_samples, progress=True)
    image = make_learning_image(training, vectors)
    line = (
        f"learning: {len(vectors.labels)} samples in {len(vectors.batches)} updates; "
        f"{describe_kept(image)}"
    )
    return Kept(image, vectors, [line], learning)


def describe_kept(image: LearningImage) -> str:
    """Return in words what learning can go on from."""
    parts = []
    if image.formats:
        bits = sorted({format.bits for format in image.formats.values()})
        parts.append(f"latent weights of {' and '.join(map(str, bits))} bits")
    if image.registers is not None:
        parts.append(f"registers and rates, for update {image.constants.get('batches')}")
    return ", ".join(parts)


def _keep_what_there_is(run: Path, source: Source) -> Kept:
    training = source.training
    if training is None:
        from binnet.hardware.files import load_learning

        # A network in floating point that is quantised here has learned nothing in integers.
        own = isinstance(source.network, QuantizedNetwork) and source.quantization is None
        image, reason, has_latent = load_learning(run) if own else None, "", False
    elif training.configuration.arithmetic.bits == 0:
        return Kept(None, None, [])
    else:
        from binnet.chips.learning_images import keep_learning
        from binnet.learning.integer_plasticity import take_latent

        image, reason = keep_learning(training)
        has_latent = bool(take_latent(training)[0])
    lines = [] if image is None else [f"learning can go on from: {describe_kept(image)}"]
    if reason and has_latent:
        lines.append(f"a core that learns cannot go on with this run: {reason}")
    return Kept(image, None, lines)
