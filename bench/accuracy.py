"""Accuracy of the preset `source` on the real 60000/10000 split: `python bench/accuracy.py --help`.

`binnet study sizes` measures the other presets.

Each run is appended to a JSON file as soon as it ends; runs that are there already are not
repeated, so the script can be stopped and started again. The tables are printed as Markdown.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import click
from tqdm.auto import tqdm

from binnet import load_entangled_mnist, preset, train
from binnet._files import write_json

# title: (preset, epochs, rows as {label: changed parameters})
TABLES: dict[str, tuple[str, int, dict[str, dict[str, Any]]]] = {
    "source": ("source", 20, {f"H = {n}": {"n_hidden": n} for n in (100, 200, 400, 1600)}),
    "ablations": (
        "source",
        10,
        {
            "reference": {},
            "J_D = 0": {"self_coupling": 0.0},
            "J_D = 0.25": {"self_coupling": 0.25},
            "J_D = 1": {"self_coupling": 1.0},
            "J_D = 0, no annealing": {"self_coupling": 0.0, "annealing": "none"},
            "feedback off": {"feedback_strength": 0.0},
            "no annealing": {"annealing": "none"},
            "linear annealing": {"annealing": "linear"},
            "exponential annealing": {"annealing": "exponential"},
            "J not learned": {"rate_couplings": 0.0},
            "W_in not learned": {"rate_input": 0.0},
            "reservoir (neither J nor W_in learned)": {"rate_couplings": 0.0, "rate_input": 0.0},
            "reservoir without feedback": {
                "rate_couplings": 0.0,
                "rate_input": 0.0,
                "feedback_strength": 0.0,
            },
            # One sweep from silence: the spins are signs of the input's fields, J plays no part.
            "random features": {
                "rate_couplings": 0.0,
                "rate_input": 0.0,
                "warmup": 1,
                "feedback": 1,
                "free": 0,
                "inference_sweeps": 1,
            },
            "margin counts J_D": {"margin_excludes_self_coupling": False},
            "asynchronous": {"update_order": "async"},
            "random-subset, p = 0.5": {"update_order": "random-subset"},
        },
    ),
}


@click.command()
@click.option(
    "--table", "names", type=click.Choice(list(TABLES)), multiple=True, help="default: all"
)
@click.option("--hidden", type=int, multiple=True, help="only rows with these numbers of neurons")
@click.option("--seeds", type=int, default=3, show_default=True, help="seeds 0 to this - 1")
@click.option("--threads", type=int, help="threads of the kernels")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("docs/results/training.json"),
    show_default=True,
)
@click.option("--print-only", is_flag=True, help="print the tables of what has been run")
def main(
    names: tuple[str, ...],
    hidden: tuple[int, ...],
    seeds: int,
    threads: int | None,
    out: Path,
    print_only: bool,
) -> None:
    """Train every row of the tables with several seeds, and print accuracies with their spread."""
    records: list[dict[str, Any]] = json.loads(out.read_text()) if out.exists() else []
    tables = names or tuple(TABLES)
    todo = [
        (table, row, seed)
        for seed in range(seeds)
        for table in tables
        for row, changes in TABLES[table][2].items()
        if not hidden or changes.get("n_hidden", 400) in hidden
    ]
    done = {(record["table"], record["row"], record["seed"]) for record in records}
    if not print_only:
        data = load_entangled_mnist()
        for table, row, seed in tqdm([key for key in todo if key not in done], unit=" runs"):
            name, epochs, rows = TABLES[table]
            configuration = preset(name).replace(epochs=epochs, seed=seed, **rows[row])
            result = train(
                data.X_train,
                data.y_train,
                configuration,
                evaluate_on={"test": (data.X_test, data.y_test)},
                threads=threads,
            )
            if not result.completed:  # Ctrl-C: this run is not counted
                raise SystemExit(130)
            last = result.history[-1]
            records.append(
                {
                    "table": table,
                    "row": row,
                    "seed": seed,
                    "epochs": epochs,
                    "accuracy": last.accuracy,
                    "unstable": last.unstable,
                    "sweeps": last.sweeps,
                    "fixed_points": last.fixed_points,
                    "flips_after_first": sum(last.flips[1:]),
                    "seconds": sum(metrics.seconds for metrics in result.history),
                    "provenance": {
                        key: result.provenance[key]
                        for key in ("binnet", "cpu", "threads", "packages")
                    },
                    "configuration": configuration.to_dict(),
                }
            )
            write_json(out, records)
    for table in tables:
        click.echo(f"\n### {table}\n\n" + format_table(table, records))


def format_table(table: str, records: list[dict[str, Any]]) -> str:
    """Return the rows of a table that have been run, as Markdown."""
    lines = [
        "| | test | train | unstable hidden | sweeps | seconds |",
        "|---|---|---|---|---|---|",
    ]
    for row in TABLES[table][2]:
        runs = [r for r in records if (r["table"], r["row"]) == (table, row)]
        if not runs:
            continue
        test = [r["accuracy"]["test"] for r in runs]
        spread = f" ± {statistics.stdev(test):.4f}" if len(test) > 1 else ""
        lines.append(
            f"| {row} | {statistics.mean(test):.4f}{spread} "
            f"({', '.join(f'{t:.4f}' for t in test)}) "
            f"| {statistics.mean(r['accuracy']['train'] for r in runs):.4f} "
            f"| {statistics.mean(r['unstable']['hidden'] for r in runs):.4f} "
            f"| {statistics.mean(r['sweeps'] for r in runs):.2f} "
            f"| {statistics.mean(r['seconds'] for r in runs):.0f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
