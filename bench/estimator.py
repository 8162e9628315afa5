"""The classifier with its defaults beside scikit-learn's, on the toy sets that come with these.

    OPENBLAS_NUM_THREADS=1 python bench/estimator.py --seeds 5

Stratified 5-fold cross-validation, shuffled with each seed, which is also that of the models.
scikit-learn's have their defaults (1000 iterations instead of 100 or 200, which end in warnings)
behind a StandardScaler. Times are processor time of a fit, on one thread.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from binnet import BinaryRecurrentClassifier

SETS: dict[str, Callable[..., Any]] = {
    "iris": load_iris,
    "wine": load_wine,
    "breast cancer": load_breast_cancer,
    "digits": load_digits,
}
MODELS: dict[str, Callable[[int], Any]] = {
    "binnet": lambda seed: BinaryRecurrentClassifier(random_state=seed, threads=1),
    "binnet, source's rule": lambda seed: BinaryRecurrentClassifier(
        preset="default", random_state=seed, threads=1
    ),
    "logistic regression": lambda seed: LogisticRegression(max_iter=1000),
    "k-NN": lambda seed: KNeighborsClassifier(),
    "SVC": lambda seed: SVC(),
    "MLP": lambda seed: MLPClassifier(max_iter=1000, random_state=seed),
}


def measure(set_name: str, model_name: str, seeds: range) -> dict[str, Any]:
    """Return accuracies of each seed (means of 5 folds), log losses and times of fits."""
    X, y = SETS[set_name](return_X_y=True)
    accuracies, losses, seconds = [], [], []
    for seed in seeds:
        scores = []
        for train, test in StratifiedKFold(5, shuffle=True, random_state=seed).split(X, y):
            model = MODELS[model_name](seed)
            if not isinstance(model, BinaryRecurrentClassifier):
                model = make_pipeline(StandardScaler(), model)
            begun = time.process_time()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.fit(X[train], y[train])
            seconds.append(time.process_time() - begun)
            scores.append(accuracy_score(y[test], model.predict(X[test])))
            if model_name != "SVC":  # it has none by default
                losses.append(log_loss(y[test], model.predict_proba(X[test])))
        accuracies.append(float(np.mean(scores)))
    return {
        "set": set_name,
        "model": model_name,
        "accuracy": float(np.mean(accuracies)),
        "accuracies": accuracies,
        "log_loss": float(np.mean(losses)) if losses else None,
        "seconds": float(np.median(seconds)),
        "least_seconds": float(np.min(seconds)),
    }


def main() -> None:
    """Measure, and print one line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--output", type=Path, help="JSON file for the numbers")
    arguments = parser.parse_args()
    MODELS["binnet"](0).fit(*load_iris(return_X_y=True))  # compiled before the clock starts
    rows = []
    for set_name in arguments.sets:
        for model_name in arguments.models:
            row = measure(set_name, model_name, range(arguments.seeds))
            rows.append(row)
            spread = np.std(row["accuracies"])
            loss = "" if row["log_loss"] is None else f"{row['log_loss']:.3f}"
            print(
                f"| {set_name} | {model_name} | {row['accuracy']:.4f} ± {spread:.4f} | {loss} | "
                f"{row['seconds']:.3f} |",
                flush=True,
            )
    if arguments.output:
        arguments.output.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
