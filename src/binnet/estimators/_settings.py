"""All parameters of a fit: those given, those that the samples decide, those of the preset."""

from __future__ import annotations

from typing import Any

from sklearn.utils import check_random_state

from binnet.encoders import ThermometerEncoder
from binnet.learning import Configuration, preset

# Parameters of the configuration that are parameters of the classifier.
_TUNABLE = (
    "n_hidden",
    "self_coupling",
    "input_strength",
    "feedback_strength",
    "epochs",
    "batch_size",
    "margin",
    "readout_margin",
    "rate_couplings",
    "rate_input",
    "rate_readout",
    "update_order",
    "inference_sweeps",
)
# What the data and random_state decide.
_DECIDED = ("n_inputs", "n_outputs", "seed")
# What `fit` takes where nothing is given; chosen on other data than those of docs/results
# (docs/results/estimator.md says on which, and how).
EPOCHS = 10
FEW_SAMPLES = 1000
OF_FEW = {"n_hidden": 200, "batch_size": 16}
NOISE_OF_THERMOMETERS = 0.1  # `input_noise`: samples near a level may be on the other side
PRESENTATIONS, MOST_PASSES = 1024, 8  # of an epoch over fewer rows


def configure(
    model: Any, n_inputs: int, n_outputs: int, n_rows: int | None = None
) -> Configuration:
    """Return the configuration of a classifier's parameters; `n_rows` are those of `fit`."""
    given = {name: getattr(model, name) for name in _TUNABLE}
    further = model.parameters or {}
    for name in further:
        if name in _TUNABLE:
            raise ValueError(
                f"parameters may not hold {name!r}, got {further[name]!r}: pass it as "
                f"{name}={further[name]!r}"
            )
        if name in _DECIDED:
            raise ValueError(
                f"parameters may not hold {name!r}, got {further[name]!r}: the samples or "
                "random_state decide it"
            )
    decided: dict[str, Any] = {}
    if isinstance(model.encoder_, ThermometerEncoder):
        decided["input_noise"] = NOISE_OF_THERMOMETERS
    if n_rows is not None:
        decided["epochs"] = EPOCHS
        if n_rows < FEW_SAMPLES:
            decided |= OF_FEW
    return preset(model.preset, further.get("n_modules")).replace(
        n_inputs=n_inputs,
        n_outputs=n_outputs,
        seed=int(check_random_state(model.random_state).randint(2**31 - 1)),
        **decided | {name: value for name, value in given.items() if value is not None} | further,
    )


def configure_again(model: Any, before: Configuration) -> Configuration:
    """Return the configuration of a fit that goes on: as before, with orders of its own."""
    epochs = EPOCHS if model.epochs is None else model.epochs
    return before.replace(epochs=epochs, seed=before.training.seed + 1)


def count_passes(n_rows: int) -> int:
    """Return how often an epoch goes over the rows."""
    return max(1, min(-(-PRESENTATIONS // n_rows), MOST_PASSES))
