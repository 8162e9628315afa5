"""What the tuned networks of `binnet study tuning` owe to which part: one thing changed in turn.

    python bench/self_coupling_gain.py docs/results/self_coupling_gain/tuning.json --hidden 100

Validation accuracy, 3 seeds; the test set is not looked at. Prints a table.
"""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import click

from binnet import preset
from binnet.studies._training import train_whole

SEEDS = range(3)
# Of each group: what is changed, and how; a function gets the tuned value.
CHANGES: dict[str, dict[str, dict[str, Any]]] = {
    "J_D = 0": {
        "as tuned": {},
        "J fixed": {"rate_couplings": 0.0},
        "J_D = 0.5": {"self_coupling": 0.5},
        "input rate × 2": {"rate_input": lambda rate: 2 * rate},
        "feedback × 1.5": {"feedback_strength": lambda strength: 1.5 * strength},
        "readout margin × 1.5": {"readout_margin": lambda margin: 1.5 * margin},
    },
    "J_D > 0": {
        "as tuned": {},
        "J fixed": {"rate_couplings": 0.0},
        "J_D = 0": {"self_coupling": 0.0},
        "J_D = 0, feedback to the end": {"self_coupling": 0.0, "annealing": "none"},
    },
}


@click.command(help=(__doc__ or "").splitlines()[0])
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--hidden", type=int, required=True, help="H, one of the record's")
def main(path: Path, hidden: int) -> None:
    record = json.loads(path.read_text("utf-8"))
    samples = {name: record["parameters"][name] for name in ("samples", "validation")}
    for tuned in record["tuned"]:
        if tuned["n_hidden"] != hidden:
            continue
        for label, changes in CHANGES.get(tuned["group"], {}).items():
            changed = {
                name: value(tuned["parameters"][name]) if callable(value) else value
                for name, value in changes.items()
            }
            configuration = preset("source").replace(
                **{**tuned["parameters"], **changed},
                n_hidden=hidden,
                epochs=record["parameters"]["epochs"],
            )
            runs = [train_whole(configuration.replace(seed=seed), **samples) for seed in SEEDS]
            found = [run.history[-1].accuracy["validation"] for run in runs]
            print(f"| {tuned['group']} | {label} | {fmean(found):.4f} ± {stdev(found):.4f} |")


if __name__ == "__main__":
    main()
