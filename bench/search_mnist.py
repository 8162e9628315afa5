"""Settings for MNIST's and Fashion-MNIST's graded pixels: trains candidates, keeps every one.

    python bench/search_mnist.py QUEUE.jsonl RECORD.jsonl --data mnist=FOLDER --data fashion=FOLDER
    python bench/search_mnist.py QUEUE.jsonl RECORD.jsonl --data ... --test  # on the test set
    python bench/search_mnist.py QUEUE.jsonl RECORD.jsonl --table            # what has been run

A line of the queue is a candidate, ``{"data": "mnist", "preset": "mnist", "seeds": 3, PARAMETER:
VALUE, ...}``, with "samples" where it trains on the first so many only. Scored on the last 10000
training samples, which are not trained on; with --test trained on all, and measured on the test
set. Each run is written down as it ends, and what the record holds is not run again. With
NUMBA_NUM_THREADS=1 the processor times are those of one core; they include the measurements after
each epoch, of 10000 training samples and of the held-out ones.
"""

from __future__ import annotations

import json
import statistics
import time
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import click

from binnet import preset, train
from binnet.datasets import load_idx_dataset

HELD_OUT = 10000
_RESULTS = ("validation", "test", "train", "learning", "seconds")
_load = cache(load_idx_dataset)


def run_candidate(candidate: dict[str, Any], folder: str, *, test: bool) -> dict[str, Any]:
    """Train a candidate with one seed; return it with its accuracies and its processor time."""
    changes = dict(candidate)
    del changes["data"]
    configuration = preset(changes.pop("preset")).replace(
        **{"n_inputs": 784, "seed": 0, **{k: v for k, v in changes.items() if k != "samples"}}
    )
    data = _load(folder)
    n_train = len(data.X_train) - (0 if test else HELD_OUT)
    used = min(changes.get("samples", n_train), n_train)
    name = "test" if test else "validation"
    measured = (
        (data.X_test, data.y_test) if test else (data.X_train[n_train:], data.y_train[n_train:])
    )
    begun = time.process_time()
    result = train(
        data.X_train[:used], data.y_train[:used], configuration, evaluate_on={name: measured}
    )
    if not result.completed:  # Ctrl-C: this run is not counted
        raise SystemExit(130)
    last = result.history[-1]
    return {
        **candidate,
        name: [round(metrics.accuracy[name], 4) for metrics in result.history],
        "train": round(last.accuracy["train"], 4),
        "learning": round(last.unstable["hidden"], 4),
        "seconds": round(time.process_time() - begun, 1),
    }


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a file of JSON lines; [] where there is none."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines if line.strip()]


def find_next(queue: Path, record: Path, name: str) -> dict[str, Any] | None:
    """Return the first run of the queue that the record does not hold: of seed 0 all, then of 1."""
    done = [
        {key: value for key, value in entry.items() if key not in _RESULTS}
        for entry in read_lines(record)
        if name in entry
    ]
    runs = [
        (seed, {**{k: v for k, v in line.items() if k != "seeds"}, "seed": seed})
        for line in read_lines(queue)
        for seed in range(line.get("seeds", 1))
    ]
    runs.sort(key=lambda run: run[0])
    return next((run for _, run in runs if run not in done), None)


def format_table(record: Path) -> str:
    """Return the runs, the seeds of a candidate in one row, as Markdown."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for entry in read_lines(record):
        shown = {k: v for k, v in entry.items() if k not in (*_RESULTS, "seed")}
        settings = ", ".join(f"{key} {value}" for key, value in shown.items())
        groups[settings, "test" if "test" in entry else "validation"].append(entry)
    lines = ["| candidate | set | accuracy | train | learning | s an epoch |", "|" + "---|" * 6]
    for (settings, name), entries in groups.items():
        ends = [entry[name][-1] for entry in entries]
        spread = f" ± {statistics.stdev(ends):.4f}" if len(ends) > 1 else ""
        each = f" ({', '.join(f'{end:.4f}' for end in ends)})" if len(ends) > 1 else ""
        mean = {
            key: statistics.mean(entry[key] for entry in entries)
            for key in ("train", "learning", "seconds")
        }
        lines.append(
            f"| {settings} | {name} | {statistics.mean(ends):.4f}{spread}{each} "
            f"| {mean['train']:.4f} | {mean['learning']:.4f} "
            f"| {mean['seconds'] / len(entries[0][name]):.1f} |"
        )
    return "\n".join(lines)


@click.command(help=__doc__)
@click.argument("queue", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("record", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--data", multiple=True, metavar="NAME=FOLDER", help="where each data set is")
@click.option("--test", is_flag=True, help="train on all samples, and measure on the test set")
@click.option("--table", is_flag=True, help="print what has been run, as Markdown, and run nothing")
def main(queue: Path, record: Path, data: tuple[str, ...], test: bool, table: bool) -> None:
    """Train the candidates of a queue one by one."""
    if table:
        click.echo(format_table(record))
        return
    folders = dict(item.split("=", 1) for item in data)
    while (candidate := find_next(queue, record, "test" if test else "validation")) is not None:
        entry = run_candidate(candidate, folders[candidate["data"]], test=test)
        with record.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        click.echo(json.dumps(entry))


if __name__ == "__main__":
    main()
