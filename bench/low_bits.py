"""Accuracy against bits of memory per synapse: settings of learning in few bits, table and curve.

    python bench/low_bits.py queue > queue.jsonl
    python bench/search.py run queue.jsonl docs/results/low_bits/test.jsonl --test
    python bench/low_bits.py table docs/results/low_bits/test.jsonl
    python bench/low_bits.py draw docs/results/low_bits/test.jsonl docs/results/low_bits.png

`SETTINGS` were chosen on the last 10000 training samples (docs/results/low_bits/validation.jsonl,
of `bench/search.py run` without --test); docs/results/low_bits.md tells how. What they leave out is
of the preset "single".
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from binnet import preset
from search import parameters, read_lines

Candidate = dict[str, Any]
SEEDS = (0, 1, 2)
SHARED: Candidate = {"preset": "single", "n_hidden": 400, "epochs": 10}
# J of fewer bits, all else of 8.
SAME, FEW_J = "all blocks alike", "few bits in J, 8 in W_in and W_out"
LATENT_J, LATENT = "latent weights in J, 8 bits in W_in and W_out", "latent weights in all blocks"
# Lines across, for the kinds that are controls: what is left where J learns nothing.
FLOAT_CONTROL, INT8_CONTROL = (f"{kind}, J fixed (mean of seeds)" for kind in ("float32", "int8"))
CONTROLS = {FLOAT_CONTROL: ":", INT8_CONTROL: "--"}
STYLES = ("-", "--", "-.", ":", "-", "-")
CHIP = "batches of 32, as the learning core takes"
WIDE_INPUT = "16 bits in W_in, 8 in J and W_out"


def _few(J: int, latent: int = 0, **changes: Any) -> Candidate:
    """Return settings with few bits in J."""
    blocks: Candidate = {"arithmetic": "int8", "block_bits": [J, 8, 8, 8]}
    if latent:
        blocks["block_latent_bits"] = [latent, 0, 0]
    return {**blocks, "batch_size": 256, **changes}


INT4: Candidate = {
    "arithmetic": "int4", "batch_size": 1024, "rate_exponents": [8, 4, 4],
    "fraction_bits": [6, 3, 5, 3],
}  # fmt: skip
FIXED: Candidate = {"rate_couplings": 0.0}
INT8_FIXED: Candidate = {"arithmetic": "int8", "batch_size": 256, **FIXED}
AT_32: Candidate = {"batch_size": 32}
REGISTERS: Candidate = {"generator": "lfsr", **AT_32}
INT4_CHIP: Candidate = {
    **REGISTERS, "arithmetic": "int4", "rate_exponents": [7, 5, 3], "fraction_bits": [6, 3, 5, 3]
}  # fmt: skip
#: Kind of memory, name and settings of each row.
SETTINGS: tuple[tuple[str, str, Candidate], ...] = (
    (SAME, "float32", {}),
    (FLOAT_CONTROL, "float32, J fixed", FIXED),
    (INT8_CONTROL, "int8, J fixed, batches of 256", INT8_FIXED),
    (SAME, "int16", {"arithmetic": "int16"}),
    (SAME, "int8", {"arithmetic": "int8"}),
    (SAME, "int4, batches of 1024", INT4),
    (SAME, "int4, batches of 16", {"arithmetic": "int4"}),
    (SAME, "int2, batches of 16", {"arithmetic": "int2"}),
    (SAME, "int1, batches of 16", {"arithmetic": "int1"}),
    (WIDE_INPUT, "W_in in 16 bits", {"arithmetic": "int8", "block_bits": [8, 16, 8, 8]}),
    (FEW_J, "J in 4 bits", _few(4)),
    (FEW_J, "J in 1 bit", _few(1, rate_exponents=[10, 2, 0])),
    (LATENT_J, "J in 2 bits of 4", _few(2, 4)),
    (LATENT_J, "J in 1 bit of 4", _few(1, 4)),
    (LATENT_J, "J in 4 bits of 8, batches of 64", _few(4, 8, batch_size=64)),
    (LATENT, "int8 of 16", {"arithmetic": "int8", "latent_bits": 16}),
    (LATENT, "int4 of 8", {"arithmetic": "int4", "latent_bits": 8}),
    (LATENT, "int2 of 8", {"arithmetic": "int2", "latent_bits": 8}),
    (LATENT, "int1 of 8", {"arithmetic": "int1", "latent_bits": 8}),
    (CHIP, "J in 1 bit of 4, registers, batches of 32", _few(1, 4, **REGISTERS)),
    (CHIP, "J in 1 bit of 4, counters, batches of 32", _few(1, 4, **AT_32)),
    (CHIP, "int4, registers, batches of 32", INT4_CHIP),
    (CHIP, "int4, counters, batches of 32", {**INT4_CHIP, "generator": "counter"}),
)


def list_candidates() -> Iterable[Candidate]:
    """Return all runs, the seeds of a setting one after the other."""
    for _, _, setting in SETTINGS:
        for seed in SEEDS:
            yield {**SHARED, **setting, "seed": seed}


def count_bits(setting: Candidate) -> tuple[float, int]:
    """Return the bits of memory of a synapse that learns: the mean of all, and of J."""
    changes = {name: value for name, value in {**SHARED, **setting}.items() if name != "preset"}
    configuration = preset(SHARED["preset"]).replace(**changes)
    network = configuration.network
    H = network.n_neurons
    sizes = (H * (H - 1), H * network.n_inputs, H * network.n_outputs)
    arithmetic = configuration.arithmetic
    stored = arithmetic.stored_bits_of_blocks[:3] if arithmetic.bits else (32, 32, 32)
    return sum(n * b for n, b in zip(sizes, stored, strict=True)) / sum(sizes), stored[0]


def find_rows(record: Path) -> list[tuple[str, str, float, int, list[float]]]:
    """Return kind, name, bits and test accuracies of each setting that was measured."""
    entries, rows = read_lines(record), []
    for kind, name, setting in SETTINGS:
        scores = [
            entry["test"][-1]
            for seed in SEEDS
            for entry in entries
            if parameters(entry) == {**SHARED, **setting, "seed": seed}
        ]
        if scores:
            rows.append((kind, name, *count_bits(setting), scores))
    return rows


def print_table(record: Path) -> None:
    """Print a row for each setting."""
    print("| | bits a synapse | of J | test accuracy | by seed |\n|---|---|---|---|---|")
    for _, name, mean, of_J, scores in find_rows(record):
        seeds = ", ".join(f"{score:.4f}" for score in scores)
        print(f"| {name} | {mean:.1f} | {of_J} | {fmean(scores):.4f} | {seeds} |")


def draw(record: Path, output: Path) -> None:
    """Draw accuracy against bits of memory per synapse: the mean of all, and of J.

    Lines join the best of each kind; bars reach from the lowest to the highest seed.
    """
    from binnet.plotting import save_figure
    from binnet.plotting._style import colour, finish, make_panels, marker, plot_bars

    rows = find_rows(record)
    kinds = [kind for kind in dict.fromkeys(kind for kind, *_ in rows) if kind not in CONTROLS]
    figure, axes = make_panels(2)
    panels = ((axes[0], 2, "mean of all synapses"), (axes[1], 3, "of J; part of the range"))
    for ax, column, label in panels:
        for k, kind in enumerate(kinds):
            best: dict[Any, float] = {}
            for row in (row for row in rows if row[0] == kind):
                bits, mean = row[column], fmean(row[4])
                best[bits] = max(mean, best.get(bits, 0.0))
                ends = np.maximum([[mean - min(row[4])], [max(row[4]) - mean]], 0.0)
                points = {"color": colour(k), "marker": marker(k), "capsize": 0}
                plot_bars(ax, [bits], [mean], ends, "lowest to highest seed", **points)
            x = sorted(best)
            y = [best[bits] for bits in x]
            ax.plot(x, y, color=colour(k), marker=marker(k), linestyle=STYLES[k], label=kind)
        for kind, *_, scores in (row for row in rows if row[0] in CONTROLS):
            style = CONTROLS[kind]
            ax.axhline(fmean(scores), color="black", linewidth=1, linestyle=style, label=kind)
        ax.set_xscale("log", base=2)
        ax.set_xticks([1, 2, 4, 8, 16, 32], ["1", "2", "4", "8", "16", "32"])
        ax.set(xlabel=f"bits of memory per synapse, {label}", ylabel="test accuracy")
    axes[1].set(xlim=(0.85, 40), ylim=(0.74, 0.865))
    finish(axes[0], loc="lower right")
    finish(axes[1], legend=False)
    save_figure(figure, output)


def main() -> None:
    """List, print or draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("queue")
    commands.add_parser("table").add_argument("record", type=Path)
    picture = commands.add_parser("draw")
    picture.add_argument("record", type=Path)
    picture.add_argument("output", type=Path)
    options = parser.parse_args()
    if options.command == "queue":
        for candidate in list_candidates():
            print(json.dumps(candidate))
    elif options.command == "table":
        print_table(options.record)
    else:
        draw(options.record, options.output)


if __name__ == "__main__":
    main()
