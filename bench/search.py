"""Settings for a data set: trains candidates, keeps every one of them, prints the log.

    python bench/search.py draw third-factor --n 30 --seed 16 >> queue.jsonl
    python bench/search.py run queue.jsonl docs/results/search/record.jsonl
    python bench/search.py run final.jsonl docs/results/search/test.jsonl --test
    python bench/search.py table docs/results/search/record.jsonl

    python bench/search.py run pixels.jsonl docs/results/mnist/record.jsonl --data mnist=FOLDER

A candidate is a line, ``{"preset": ..., "epochs": ..., "seed": ..., PARAMETER: VALUE, ...}``, of
entangled MNIST, or with ``"data": NAME`` of the IDX files in the folder that --data names. `run`
trains those of the queue that the record does not hold, one by one; it may be stopped at any time,
and lines may be added to the queue while it runs. Scored on the last 10000 training samples, which
are not trained on; with --test all samples are, and the test set is measured.
docs/results/search.md and docs/results/search_mnist.md are made from the records. Processor times
are of everything, the measurements after each epoch among it; NUMBA_NUM_THREADS=1 for one core.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import defaultdict
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from binnet import preset, train
from binnet.datasets import load_idx_dataset
from binnet.learning import Configuration, TrainingResult
from binnet.studies._training import N_SAMPLES, N_VALIDATION, train_whole

Candidate = dict[str, Any]
RESULTS = ("validation", "test", "train", "learning", "seconds")
#: Boxes that candidates are drawn from: a list is a choice, a tuple log-uniform between two values.
_SHARED: Candidate = {"n_hidden": 400, "epochs": 20, "seed": 0, "rate_schedule": "constant"}
BOXES: dict[str, dict[str, Any]] = {
    "third-factor": {
        "averaging": [3.0, 5.0],
        "batch_size": [32, 64, 128],
        "rate_input": (0.2, 1.2),
        "rate_couplings": (0.005, 0.05),
        "rate_readout": (0.16, 1.6),
        "rate_feedback": (0.16, 1.6),
        "margin": (5.0, 40.0),
        "readout_margin": (1.5, 4.0),
        "error_temperature": (0.7, 2.0),
        "error_threshold": (0.001, 0.05),
        "input_noise": (0.004, 0.02),
        "input_strength": (0.8, 5.0),
        "self_coupling": [0.0, 0.3, 0.7, 1.2],
    },
    "default": {
        "averaging": [2.0, 3.0, 5.0],
        "batch_size": [8, 16, 32],
        "rate_input": (0.09, 0.5),
        "rate_couplings": (0.009, 0.07),
        "rate_readout": (0.15, 0.6),
        "margin": (0.3, 1.0),
        "readout_margin": (2.0, 4.0),
        "input_strength": (3.5, 7.5),
        "feedback_strength": (1.1, 2.2),
        "self_coupling": (0.5, 1.0),
    },
}


def draw_candidates(name: str, n: int, seed: int) -> list[Candidate]:
    """Draw candidates of a preset from its box."""
    generator = random.Random(f"{name} {seed}")

    def draw(values: Any) -> Any:
        if isinstance(values, list):
            return generator.choice(values)
        low, high = values
        return float(f"{low * (high / low) ** generator.random():.3g}")

    box = BOXES[name]
    return [
        {"preset": name, **_SHARED, **{key: draw(values) for key, values in box.items()}}
        for _ in range(n)
    ]


def train_candidate(candidate: Candidate, folders: dict[str, str], *, test: bool) -> Candidate:
    """Train a candidate; return it with its accuracies and its processor time."""
    changes = {name: value for name, value in candidate.items() if name not in ("preset", "data")}
    configuration = preset(candidate["preset"]).replace(**changes)
    begun = time.process_time()
    if "data" in candidate:
        result = train_on_folder(folders[candidate["data"]], configuration, test=test)
    else:
        result = train_whole(configuration, N_SAMPLES, validation=0 if test else N_VALIDATION)
    name = "test" if test else "validation"
    last = result.history[-1]
    return {
        **candidate,
        name: [round(metrics.accuracy[name], 4) for metrics in result.history],
        "train": round(last.accuracy["train"], 4),
        "learning": round(last.unstable["hidden"], 4),
        "seconds": round(time.process_time() - begun),
    }


def train_on_folder(folder: str, configuration: Configuration, *, test: bool) -> TrainingResult:
    """Train on the IDX files of a folder, as `train_whole` does on entangled MNIST."""
    data = load_idx_dataset(folder)
    X, y, n = data.X_train, data.y_train, len(data.X_train) - N_VALIDATION
    if test:
        sets = {"test": (data.X_test, data.y_test)}
    else:
        sets = {"validation": (X[n:], y[n:])}
        X, y = X[:n], y[:n]
    result = train(X, y, configuration, evaluate_on=sets)
    if not result.completed:
        raise KeyboardInterrupt
    return result


def read_lines(path: Path) -> list[Candidate]:
    """Return the objects of a file of JSON lines; [] where there is none."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines if line]


def parameters(entry: Candidate) -> Candidate:
    """Return a line of a record without its results."""
    return {name: value for name, value in entry.items() if name not in RESULTS}


def run_queue(queue: Path, record: Path, folders: dict[str, str], *, test: bool) -> None:
    """Train what the record does not hold yet."""
    while True:
        done = [parameters(entry) for entry in read_lines(record)]
        candidate = next((c for c in read_lines(queue) if c not in done), None)
        if candidate is None:
            return
        entry = json.dumps(train_candidate(candidate, folders, test=test))
        with record.open("a", encoding="utf-8") as file:
            file.write(entry + "\n")
        print(entry, flush=True)


def print_table(record: Path) -> None:
    """Print a row for each setting, over its seeds, the best last epoch first."""
    groups: dict[str, list[Candidate]] = defaultdict(list)
    for entry in read_lines(record):
        groups[json.dumps({**parameters(entry), "seed": None})].append(entry)

    def score(entry: Candidate) -> float:
        return float(entry["test" if "test" in entry else "validation"][-1])

    print("| accuracy | by seed | train | seconds | setting |\n|---|---|---|---|---|")
    for entries in sorted(groups.values(), key=lambda found: -fmean(map(score, found))):
        scores = [score(entry) for entry in entries]
        spread = f" ± {stdev(scores):.4f}" if len(scores) > 1 else ""
        setting = ", ".join(
            f"{key} {value}" for key, value in parameters(entries[0]).items() if key != "seed"
        )
        print(
            f"| {fmean(scores):.4f}{spread} | {', '.join(f'{s:.4f}' for s in scores)} "
            f"| {fmean(entry['train'] for entry in entries):.4f} "
            f"| {min(entry['seconds'] for entry in entries)} | {setting} |"
        )


def main() -> None:
    """Draw, train or print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    commands = parser.add_subparsers(dest="command", required=True)
    draw = commands.add_parser("draw")
    draw.add_argument("preset", choices=BOXES)
    draw.add_argument("--n", type=int, default=30)
    draw.add_argument("--seed", type=int, default=0)
    run = commands.add_parser("run")
    run.add_argument("queue", type=Path)
    run.add_argument("record", type=Path)
    run.add_argument("--data", action="append", default=[], metavar="NAME=FOLDER")
    run.add_argument("--test", action="store_true")
    commands.add_parser("table").add_argument("record", type=Path)
    options = parser.parse_args()
    if options.command == "draw":
        for candidate in draw_candidates(options.preset, options.n, options.seed):
            print(json.dumps(candidate))
    elif options.command == "run":
        folders = dict(item.split("=", 1) for item in options.data)
        run_queue(options.queue, options.record, folders, test=options.test)
    else:
        print_table(options.record)


if __name__ == "__main__":
    main()
