"""The numbers of docs/results/landscape.md: trained networks against untrained and shuffled ones.

    python bench/landscape_measurements.py small            # H = 20, exact against message passing
    python bench/landscape_measurements.py limits           # where message passing is wrong
    python bench/landscape_measurements.py settings         # H = 400, five settings of the source
    python bench/landscape_measurements.py along --figure docs/results/landscape.png

Runs and sweeps are kept in --out and gone on with; the tables are printed, and written as JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from binnet import RandomNetwork, fixed_points, load_entangled_mnist, predict, preset, resume, train
from binnet._files import write_json
from binnet._provenance import describe_run
from binnet.landscape import (
    LandscapePlan,
    positive_entropy,
    run_landscape,
    shuffle_couplings,
    summarise_landscape,
)
from binnet.learning import Configuration, load_checkpoint
from binnet.learning.checkpoints import name_kept
from binnet.networks import BinaryNetwork
from binnet.plotting import default_settings, save_figure
from binnet.theory import complexity
from binnet.theory.message_passing import belief_propagation

if TYPE_CHECKING:
    import xarray as xr

# Margin and J_D; messages settle slowly where J_D = 0, which comes last.
SETTINGS = ((0.9, 0.5), (0.0, 0.5), (0.9, 0.1), (0.0, 0.0), (0.9, 0.0))
ALONG = (0.9, 0.5)  # measured after each epoch, seed 0
OVERLAPS = ("clamped_free", "clamped_inference", "free_inference")


def train_run(folder: Path, configuration: Configuration) -> Path:
    """Train on entangled MNIST, or go on; return the checkpoint, beside which are earlier ones."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "checkpoint.safetensors"
    data = load_entangled_mnist()
    options: dict[str, Any] = {
        "keep_every": 1,
        "evaluate_on": {"test": (data.X_test, data.y_test)},
    }
    if path.exists():
        result = resume(path, data.X_train, data.y_train, **options)
    else:
        result = train(data.X_train, data.y_train, configuration, checkpoint=path, **options)
    if not result.completed:
        sys.exit(130)
    accuracy = result.history[-1].accuracy["test"]
    write_json(folder / "accuracy.json", accuracy, overwrite=True)
    return path


def read_columns(part: xr.Dataset) -> dict[str, float]:
    """Return means over samples of one epoch and state; NaN where less than half have a value."""

    def mean(values: xr.DataArray) -> float:
        enough = 2 * int(values.notnull().sum()) >= values.size
        return float(values.mean()) if enough else float("nan")

    local, back = positive_entropy(part), part["return_probability"]
    columns = {
        "right": part["right"], "fixed": part["fixed"], "unstable": part["unstable"],
        "margin 5 %": part["margin"].sel(quantile=0.05),
        "margin 50 %": part["margin"].sel(quantile=0.5),
        "input share": part["input_share"],
        "entropy": part["entropy"], "typical distance": part["typical_distance"],
        **{f"local {d:g}": local.sel(distance=d) for d in (0.0025, 0.005, 0.01, 0.02, 0.05)},
        **{f"return {f:g}": back.sel(flipped=f) for f in (0.02, 0.5)},
        "overlap 0.5": part["return_overlap"].sel(flipped=0.5),
        "random start": part["overlap_with_inference"],
    }  # fmt: skip
    return {name: mean(values) for name, values in columns.items()}


def select(result: xr.Dataset) -> dict[str, xr.Dataset]:
    """Return the networks that are compared, each with the state of inference."""
    first, last = result.isel(epoch=0), result.isel(epoch=-1)
    return {
        "trained": last.sel(state="inference"),
        "shuffled": last.sel(state="shuffled"),
        "untrained": first.sel(state="inference"),
        "trained, random start": last.sel(state="random"),
        "untrained, random start": first.sel(state="random"),
    }


def read_overlaps(part: xr.Dataset) -> dict[str, float]:
    """Return the overlaps of the states of training and inference."""
    return {name: float(part[f"overlap_{name}"].mean()) for name in OVERLAPS}


def describe_strengths(network: BinaryNetwork) -> dict[str, float]:
    """Return how strong couplings and input are, and what they imply if all else is random."""
    J = network.couplings.astype(np.float64)
    b = network.input_weights.astype(np.float64) @ load_entangled_mnist().X_test[:1000].T
    row = float(np.sqrt(np.vdot(J, J) / len(J)))
    std, self_coupling = float(np.sqrt(np.mean(b**2))), float(network.self_couplings[0])
    return {
        "norm of a row of J": row,
        "rms of b": std,
        "fraction of b in -1..1": float(np.mean(np.abs(b) < 1.0)),
        "symmetry of J": float(np.vdot(J, J.T) / np.vdot(J, J)),
        # Gaussian, independent couplings and fields of the same strengths, in units of the row.
        "entropy of the theory": float(complexity(self_coupling / row, field_std=std / row)),
    }


def measure_shuffled(checkpoint: Path) -> float:
    """Return the test accuracy of a run whose couplings are shuffled, the readout as learned."""
    run, data = load_checkpoint(checkpoint), load_entangled_mnist()
    options = run.configuration.training.inference_options()
    shuffled = shuffle_couplings(run.network(), LandscapePlan().seed)
    return float((predict(shuffled, data.X_test, **options) == data.y_test).mean())


def spread(values: list[float]) -> str:
    """Return mean and standard deviation over seeds."""
    array = np.array(values)
    if not np.isfinite(array).all():
        return "-"
    return f"{array.mean():.4f} ± {array.std(ddof=1) if len(array) > 1 else np.nan:.4f}"


def train_setting(
    out: Path, args: argparse.Namespace, margin: float, self_coupling: float, seed: int
) -> tuple[Path, Path]:
    """Return the folder and the checkpoint of a run with one of the settings."""
    configuration = preset("source").replace(
        n_hidden=args.hidden, margin=margin, self_coupling=self_coupling, epochs=args.epochs,
        seed=seed,
    )  # fmt: skip
    folder = out / f"H{args.hidden}-margin{margin:g}-J{self_coupling:g}-seed{seed}"
    return folder, train_run(folder, configuration)


def measure_along(out: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Measure one run after each epoch, and draw it."""
    folder, checkpoint = train_setting(out, args, *ALONG, 0)
    result = run_landscape(
        checkpoint, folder / f"landscape-along-{args.samples}.nc", samples=args.samples,
        workers=args.workers,
    )  # fmt: skip
    print_along(result)
    if args.figure:
        draw(result, load_checkpoint(checkpoint).configuration, args)
    return {"means": summarise_landscape(result)}


def measure_settings(out: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Measure the five settings at H = 400."""
    table: dict[str, dict[str, dict[str, list[float]]]] = {}
    accuracies: dict[str, list[float]] = {}
    for margin, self_coupling in SETTINGS:
        name = f"margin {margin:g}, J_D {self_coupling:g}"
        for seed in range(args.seeds):
            folder, checkpoint = train_setting(out, args, margin, self_coupling, seed)
            result = run_landscape(
                checkpoint, folder / f"landscape-{args.samples}.nc", samples=args.samples,
                last=True, workers=args.workers,
            )  # fmt: skip
            accuracy = json.loads((folder / "accuracy.json").read_text())
            accuracies.setdefault(name, []).append(accuracy)
            parts = select(result)
            more = {network: read_overlaps(parts[network]) for network in parts}
            for network, file in (("untrained", name_kept(checkpoint, 0)), ("trained", checkpoint)):
                more[network] |= describe_strengths(load_checkpoint(file).network())
            more["trained"] |= {"test accuracy": accuracy}
            more["shuffled"] |= {"test accuracy": measure_shuffled(checkpoint)}
            for network, part in parts.items():
                for column, value in read_columns(part).items():
                    row = table.setdefault(name, {}).setdefault(network, {})
                    row.setdefault(column, []).append(value)
                for column, value in more[network].items():
                    table[name][network].setdefault(column, []).append(value)
        print_setting(name, table[name], accuracies[name])
    return {"accuracy": accuracies, "means": table}


def print_setting(
    name: str, networks: dict[str, dict[str, list[float]]], accuracies: list[float]
) -> None:
    """Print a table: mean over seeds of the mean over samples ± standard deviation over seeds."""
    print(f"\n## {name}: test accuracy {spread(accuracies)}\n")
    print("| | " + " | ".join(networks) + " |\n" + "|---" * (len(networks) + 1) + "|")
    columns = dict.fromkeys(column for row in networks.values() for column in row)
    for column in columns:
        cells = [spread(row[column]) if column in row else "" for row in networks.values()]
        print(f"| {column} | " + " | ".join(cells) + " |", flush=True)


def print_along(result: xr.Dataset) -> None:
    """Print one run along training: mean over samples ± standard error."""
    part = result.sel(state="inference")
    variables = {
        "entropy": part["entropy"],
        "local 0.005": positive_entropy(part).sel(distance=0.005),
        "local 0.02": positive_entropy(part).sel(distance=0.02),
        "margin 5 %": part["margin"].sel(quantile=0.05),
        "margin 50 %": part["margin"].sel(quantile=0.5),
        "return 0.02": part["return_probability"].sel(flipped=0.02),
        **{name: part[f"overlap_{name}"] for name in OVERLAPS},
    }
    print("\n| epoch | " + " | ".join(variables) + " |\n" + "|---" * (len(variables) + 1) + "|")
    for epoch in result["epoch"].values:
        cells = []
        for values in variables.values():
            row = values.sel(epoch=epoch)
            n = int(row.notnull().sum())
            error = float(row.std(ddof=1)) / np.sqrt(n) if n > 1 else np.nan
            cells.append(f"{float(row.mean()):.4f} ± {error:.4f}")
        print(f"| {epoch} | " + " | ".join(cells) + " |")


def draw(result: xr.Dataset, configuration: Configuration, args: argparse.Namespace) -> None:
    """Draw the figure of the page."""
    from binnet.plotting.landscape import draw_landscape

    p, rule = configuration.network, configuration.plasticity
    title = (
        f"preset source, H = {p.n_hidden}, κ = {rule.margin:g}, $J_D$ = {p.self_coupling:g}, seed "
        f"{configuration.training.seed}; {args.samples} test samples"
    )
    with default_settings():
        save_figure(draw_landscape(result, title), args.figure, overwrite=True)


def measure_small(out: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Compare message passing with exact counts at H = 20."""
    n, k = 20, np.arange(1, 6)
    plan = LandscapePlan(distances=tuple(float(d) for d in k / n), trials=1, flipped=(0.5,))
    found: dict[str, Any] = {}
    for strength in (5.0, 1.0):  # the source's, and one that leaves more fixed points
        for seed in range(args.seeds):
            configuration = preset("source").replace(
                n_hidden=n, epochs=args.epochs, seed=seed, input_strength=strength
            )
            folder = out / f"H{n}-input{strength:g}-seed{seed}"
            checkpoint = train_run(folder, configuration)
            result = run_landscape(
                checkpoint, folder / f"landscape-{args.samples}.nc", samples=args.samples,
                last=True, plan=plan, workers=args.workers,
            )  # fmt: skip
            for epoch, network in ((0, "untrained"), (-1, "trained")):
                part = result.isel(epoch=epoch).sel(state="inference")
                name = f"lambda_in {strength:g}, {network}"
                rows = found.setdefault(name, [])
                rows.append(compare_counts(part, n))
    for name, rows in found.items():
        print(f"\n## H = {n}, {name} (all seeds)\n")
        print("| | exact | message passing | modulus of the difference | samples |")
        print("|---|---|---|---|---|")
        for key in rows[0]:
            both = np.concatenate([row[key] for row in rows], axis=1)
            settled = both[:, np.isfinite(both).all(axis=0)]
            off = np.abs(settled[1] - settled[0])
            print(
                f"| {key} | {describe(settled[0])} | {describe(settled[1])} | {describe(off)} | "
                f"{settled.shape[1]} of {both.shape[1]} |"
            )
    return {
        name: [{key: value.tolist() for key, value in row.items()} for row in rows]
        for name, rows in found.items()
    }


def compare_counts(part: xr.Dataset, n: int) -> dict[str, NDArray[np.float64]]:
    """Return, for each sample, exact values and those of message passing, each (2, samples)."""
    count = part["n_fixed_points"].values.astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        exact = np.where(count > 0, np.log(count) / n, np.nan)
        flips = part["n_flips"].values
        at = part["n_at_flips"].values
        distance = np.where(count > 0, (at * flips).sum(axis=1) / count / n, np.nan)
        found = {
            "entropy of all": np.stack([exact, part["entropy"].values]),
            "typical distance": np.stack([distance, part["typical_distance"].values]),
        }
        for d in part["distance"].values:
            local = part["local_entropy"].sel(distance=d).values
            exactly = [transform_counts(row, float(d) * n) / n for row in at]
            found[f"local entropy, {round(d * n)} flips"] = np.stack([exactly, local])
    return found


def transform_counts(counts: NDArray[np.int64], n_flips: float) -> float:
    """Return the Legendre transform of exact counts at a mean number of flips, as (6.16) defines.

    NaN where the fixed points do not lie on both sides of it.
    """
    k = np.flatnonzero(counts)
    if not len(k) or not k.min() < n_flips < k.max():
        return float("nan")

    def mean(tie: float) -> float:
        weights = np.log(counts[k]) - 2 * tie * k
        return float(special.softmax(weights) @ k)

    tie = optimize.brentq(lambda tie: mean(tie) - n_flips, -50.0, 50.0)
    return float(special.logsumexp(np.log(counts[k]) - 2 * tie * k) + 2 * tie * n_flips)


def measure_limits(out: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Compare where J_ij and J_ji are not independent: symmetry, and excitation of two modules."""
    cases: dict[str, list[RandomNetwork]] = {}
    for field_std in (1.0, 5.0):
        for symmetry in (-0.3, 0.0, 0.1, 0.3, 0.6, 1.0):
            cases[f"eta {symmetry:g}, sigma_b {field_std:g}"] = [
                RandomNetwork.draw(
                    20, 0.5, symmetry=symmetry, field_std=field_std, seed=seed, dtype="float64"
                )
                for seed in range(30)
            ]
        for excitation in (0.35, 1.0, 4.0):
            cases[f"lambda {excitation:g}, J_D 0, sigma_b {field_std:g}"] = [
                RandomNetwork.draw(
                    20, 0.0, n_modules=2, excitation=excitation, field_std=field_std, seed=seed,
                    dtype="float64",
                )
                for seed in range(30)
            ]  # fmt: skip
    found = {}
    print("| | exact | message passing | networks |\n|---|---|---|---|")
    for name, networks in cases.items():
        both = np.array([count_twice(network) for network in networks]).T
        settled = both[:, np.isfinite(both).all(axis=0)]
        found[name] = both.tolist()
        print(f"| {name} | {describe(settled[0])} | {describe(settled[1])} | {settled.shape[1]} |")
    return found


def count_twice(network: RandomNetwork) -> tuple[float, float]:
    """Return the entropy of all fixed points: exactly, and by message passing."""
    count = fixed_points.enumerate(network).count
    messages = belief_propagation(network.to_float(), network.self_coupling, field=network.fields)
    exact = np.log(count) / network.n_neurons if count else np.nan
    return exact, messages.entropy if messages.converged else np.nan


def describe(values: NDArray[np.float64]) -> str:
    """Return mean and standard error."""
    if len(values) < 2:
        return "-"
    return f"{values.mean():.4f} ± {values.std(ddof=1) / np.sqrt(len(values)):.4f}"


MEASURES: dict[str, Callable[[Path, argparse.Namespace], dict[str, Any]]] = {
    "small": measure_small, "limits": measure_limits, "settings": measure_settings,
    "along": measure_along,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=tuple(MEASURES))
    parser.add_argument("--out", type=Path, default=Path("runs/landscape"))
    parser.add_argument("--hidden", type=int, default=400)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--samples", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--figure", type=Path)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    results = MEASURES[args.what](args.out, args)
    run = describe_run(threads=args.workers, seeds=list(range(args.seeds)))
    write_json(args.out / f"{args.what}.json", {"results": results, "run": run}, overwrite=True)


if __name__ == "__main__":
    main()
