"""Accuracy over the bits of graded inputs: pixels of MNIST, as they are, to networks in integers.

    python bench/input_bits.py FOLDER [--hidden H] [--epochs N] [--seeds N] [--arithmetic int8]
                               [--test]

FOLDER holds the IDX files. Without --test the last 10000 training samples are measured on and not
learned. Floating point is the control, also with its network quantised afterwards; 1 bit are spins,
+1 above a pixel of 127. Three minutes on one core with the default sizes.
"""

from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from binnet import predict
from binnet.datasets import load_idx_dataset
from binnet.learning import Configuration, preset, train
from binnet.networks import quantize

INPUT_BITS = (1, 2, 3, 4, 6, 8)
# Pixels are not negative and most of them 0: a stronger input than spins want, and wider margins.
SETTINGS: dict[str, Any] = {
    "self_coupling": 0.95,
    "input_strength": 5.0,
    "feedback_strength": 1.3,
    "margin": 0.83,
    "readout_margin": 7.0,
    "rate_couplings": 0.0159,
    "rate_input": 0.058,
    "rate_readout": 0.17,
    "decay_couplings": 0.0,
    "decay_readout": 0.0,
}
HELD_OUT = 10000
Samples = tuple[NDArray[Any], NDArray[np.int64]]


def to_inputs(pixels: NDArray[np.uint8], bits: int) -> NDArray[Any]:
    """Return pixels as they are, or of one bit as spins."""
    return np.where(pixels > 127, np.int8(1), np.int8(-1)) if bits == 1 else pixels


def measure(
    configuration: Configuration, bits: int, learned: Samples, measured: Samples
) -> dict[str, float]:
    """Train; return the accuracy, and of floating point that with the network quantised."""
    (X, y), (X_measured, y_measured) = (
        (to_inputs(pixels, bits), labels) for pixels, labels in (learned, measured)
    )
    result = train(X, y, configuration, evaluate_on={"measured": (X_measured, y_measured)})
    found = {"trained": result.history[-1].accuracy["measured"]}
    if not configuration.arithmetic.bits:
        options = configuration.training.inference_options()
        for input_bits in (1,) if bits == 1 else INPUT_BITS[1:]:
            network, _ = quantize(result.network, 8, input_bits=input_bits)
            right = predict(network, X_measured, **options) == y_measured
            found[f"quantised, {input_bits}"] = float(right.mean())
    return found


def show(values: list[float]) -> str:
    """Return mean and standard deviation over the seeds."""
    return f"{np.mean(values):.4f} ± {np.std(values, ddof=len(values) > 1):.4f}"


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.option("--hidden", default=400, show_default=True)
@click.option("--epochs", default=2, show_default=True)
@click.option("--seeds", default=3, show_default=True)
@click.option("--arithmetic", default="int8", show_default=True)
@click.option("--test", is_flag=True, help="learn all training samples, measure on the test set")
def main(folder: Path, hidden: int, epochs: int, seeds: int, arithmetic: str, test: bool) -> None:
    """Print the table."""
    data = load_idx_dataset(folder)
    kept = len(data.X_train) - (0 if test else HELD_OUT)
    learned = data.X_train[:kept], data.y_train[:kept]
    held_out = data.X_train[kept:], data.y_train[kept:]
    measured = (data.X_test, data.y_test) if test else held_out
    base = preset("source").replace(
        n_hidden=hidden, n_inputs=data.X_train.shape[1], epochs=epochs, **SETTINGS
    )
    rows: dict[str, list[float]] = {}
    for seed in range(seeds):
        for bits in (1, 8):
            found = measure(base.replace(seed=seed), bits, learned, measured)
            for name, accuracy in found.items():
                kind = "spins" if bits == 1 else "graded"
                rows.setdefault(f"float, {kind}, {name}", []).append(accuracy)
        for bits in INPUT_BITS:
            integers = base.replace(seed=seed, arithmetic=arithmetic, input_bits=bits)
            found = measure(integers, bits, learned, measured)
            rows.setdefault(f"{arithmetic}, {bits}", []).append(found["trained"])
    click.echo("| arithmetic, bits of an input | accuracy |\n|---|---|")
    for name, values in rows.items():
        click.echo(f"| {name} | {show(values)} |")


if __name__ == "__main__":
    main()
