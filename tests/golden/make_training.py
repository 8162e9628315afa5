"""Write training/*.safetensors: runs stopped in the middle of an epoch, and how they end.

    python tests/golden/make_training.py [FOLDER [CASE ...]]

tests/test_golden_training.py continues NAME.midway.safetensors and wants the bytes of
NAME.end.safetensors. The files in the repository are those of the commit that manifest.json names:
make them again only for a change that is meant to change results, and name the cases that it
changes, whose commit the manifest then names apart. Times are set to constants, so that the same
code writes the same bytes; into another FOLDER, they can be compared by cmp.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
FOLDER = Path(__file__).with_name("training")
N_INPUTS, N_CLASSES, N_SAMPLES = 21, 5, 203  # with batches of 8 the last one is short
STOP = {"epoch": 1, "batch": 11}  # from 0

# Sizes that fill no word, vector or piece. Integers are small: theirs spill over 64 neurons.
_FLOAT = {"n_hidden": 45, "batch_size": 8}
_INTEGER = {"n_hidden": 66, "batch_size": 8, "decay_couplings": 0.0, "decay_readout": 0.0}
_WIDE = {**_INTEGER, "arithmetic": "int4", "synapse_bits": 8}
# Preset and what is changed in it.
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "float": ("source", _FLOAT),
    # The scales of the weights are multiplied in every 24 batches, and at the end of an epoch.
    "float-default": (
        "default",
        {**_FLOAT, "batch_size": 2, "rate_couplings": 0.05, "decay_couplings": 0.5}
        | {"rate_readout": 6.0, "decay_readout": 0.95, "annealing": "linear"},
    ),
    "float64": ("source", {**_FLOAT, "dtype": "float64", "n_hidden": 37}),
    "random-subset": (
        "source",
        {**_FLOAT, "dynamics": "random-subset", "update_probability": 0.3},
    ),
    "async": ("default", {**_FLOAT, "dynamics": "async", "annealing": "exponential"}),
    "diluted": ("default", {**_FLOAT, "density": 0.3}),
    "large-batches": ("default", {**_FLOAT, "batch_size": 40}),
    "reservoir": ("reservoir", _FLOAT),
    "chain": ("chain", {**_FLOAT, "n_hidden": 16}),
    "deep": ("deep", {**_FLOAT, "n_hidden": (19, 11, 15)}),
    "third-factor": ("third-factor", _FLOAT),
    "third-factor-fixed": (
        "third-factor",
        {**_FLOAT, "third_factor": "fixed", "warmup": 1, "feedback": 3, "free": 3},
    ),
    "int16-events": (
        "source",
        {**_INTEGER, "arithmetic": "int16", "rounding": "per-event", "n_hidden": 45}
        | {"fraction_bits": (5, 4, 5, 6), "rate_exponents": (2, 1, 2)},
    ),
    "int8": ("default", {**_INTEGER, "arithmetic": "int8"}),
    # The decays come every fourth batch.
    "int8-decay": (
        "source",
        {**_INTEGER, "arithmetic": "int8", "decay_couplings": 0.9, "decay_readout": 0.08},
    ),
    "int8-lfsr": ("source", {**_INTEGER, "arithmetic": "int8", "generator": "lfsr"}),
    "int8-nearest": (
        "source",
        {**_INTEGER, "arithmetic": "int8", "rounding": "nearest", "batch_size": 40}
        | {"rate_exponents": (1, 2, 0)},
    ),
    "int8-async": ("default", {**_INTEGER, "arithmetic": "int8", "dynamics": "async"}),
    "int8-random-subset": (
        "default",
        {**_INTEGER, "arithmetic": "int8", "dynamics": "random-subset"},
    ),
    "int4-wide": ("default", _WIDE),
    "int4-wide-decay": (
        "source",
        {**_WIDE, "rounding": "per-event", "generator": "lfsr", "synapse_bits": 16}
        | {"rate_couplings": 1.0, "decay_couplings": 0.05, "rate_exponents": (2, -8, -10)},
    ),
    "int1": ("source", {**_INTEGER, "arithmetic": "int1", "rate_exponents": (2, 1, 1)}),
}
#: What is exact on every CPU; the others are sums of floating-point numbers.
INTEGERS = tuple(name for name in CASES if name.startswith("int"))


def make_samples(n_samples: int = N_SAMPLES, seed: int = 1) -> tuple[Array, Array]:
    """One random prototype a class, of which each sample flips a fifth of the bits."""
    spins = np.array([-1, 1], np.int8)
    prototypes = np.random.default_rng(0).choice(spins, (N_CLASSES, N_INPUTS))
    rng = np.random.default_rng(seed)
    y = rng.integers(0, N_CLASSES, n_samples)
    flips = np.where(rng.random((n_samples, N_INPUTS)) < 0.2, -1, 1).astype(np.int8)
    return prototypes[y] * flips, y


def make_test_set() -> dict[str, tuple[Array, Array]]:
    return {"test": make_samples(60, seed=2)}


def fix_times(path: Path, seconds: float) -> None:
    """Give a checkpoint constant times; where it stands in an epoch, `seconds` of it are spent."""
    from binnet import load_checkpoint
    from binnet.learning import save_checkpoint

    state = load_checkpoint(path)
    state.seconds = seconds
    state.history[:] = [
        dataclasses.replace(metrics, seconds=1.0, samples_per_second=float(N_SAMPLES))
        for metrics in state.history
    ]
    save_checkpoint(path, state)


def write_case(name: str, folder: Path) -> None:
    """Write the two checkpoints of a case, and compare the end with that of an unstopped run."""
    from binnet import TrainingResult, load_checkpoint, preset, resume, train
    from binnet.learning import save_checkpoint

    def stop_after_first(result: TrainingResult) -> None:
        if len(result.history) == STOP["epoch"]:
            signal.raise_signal(signal.SIGINT)

    base, changes = CASES[name]
    configuration = preset(base).replace(
        n_inputs=N_INPUTS, n_outputs=N_CLASSES, epochs=3, **changes
    )
    (X, y), sets = make_samples(), make_test_set()
    midway, end = (folder / f"{name}.{part}.safetensors" for part in ("midway", "end"))
    train(
        X, y, configuration,
        evaluate_on=sets, threads=1, checkpoint=midway, on_epoch=stop_after_first,
    )  # fmt: skip
    state = load_checkpoint(midway)
    stop = min(STOP["batch"], state.batches_per_epoch - 2)
    while state.batch < stop:
        state.learn(X, y, stop - state.batch, 1)
    save_checkpoint(midway, state)
    fix_times(midway, 0.5)
    shutil.copy(midway, end)
    network = resume(end, X, y, evaluate_on=sets, threads=1).network
    fix_times(end, 0.0)
    unstopped = train(X, y, configuration, threads=2).network
    for block in ("couplings", "input_weights", "readout", "feedback"):
        same = np.array_equal(getattr(network, block), getattr(unstopped, block))
        assert same, f"{name}: {block} is not that of an unstopped run"
    accuracy = [round(m.accuracy["test"], 3) for m in load_checkpoint(end).history]
    print(f"{name}: stopped at batch {stop} of {state.batches_per_epoch}, accuracies {accuracy}")


def write_manifest(folder: Path, cases: list[str]) -> None:
    """Write which commit and which software wrote the files, and their SHA-256.

    Where only some cases were made again, the rest of the manifest stays.
    """
    import numba

    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=Path(__file__).parent, capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    manifest = {"commit": commit, "numpy": np.__version__, "numba": numba.__version__}
    path = folder / "manifest.json"
    if cases:
        manifest = json.loads(path.read_text())
        manifest["commits"] = manifest.get("commits", {}) | dict.fromkeys(cases, commit)
    files = sorted(folder.glob("*.safetensors"))
    sums = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    path.write_text(json.dumps({**manifest, "sha256": sums}, indent=2) + "\n")


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    target.mkdir(parents=True, exist_ok=True)
    named = sys.argv[2:]
    with tempfile.TemporaryDirectory() as scratch:
        for case in named or CASES:
            write_case(case, Path(scratch))
        for file in Path(scratch).iterdir():
            shutil.copy(file, target)
    write_manifest(target, named)
