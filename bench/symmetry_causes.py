"""Why what J learns is partly symmetric: one ingredient of its update at a time is taken away.

    python bench/symmetry_causes.py

The source's rule in NumPy, batch by batch, with four updates of J (input weights and readout learn
as ever): the rule's, sum_b u_i s_i s_j; with *other learners*, u_i from the batch before, so that
who learns from a sample has nothing to do with it, while states and their correlations stay; with
*other states*, s_j from the batch before, so that neurons i and j are correlated no more while
their means stay; and with these *less their means* over that batch. H = 200, the first 20000
training samples of entangled MNIST, 3 epochs, seeds 0, 1 and 2; beside it what `binnet.train` makes
of the same settings. About a minute and a half.
"""

from __future__ import annotations

import statistics
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binnet import load_entangled_mnist, predict, preset, train
from binnet.learning import Configuration
from binnet.networks import BinaryNetwork
from binnet.studies.symmetry import measure_symmetry

SAMPLES, EPOCHS, SEEDS = 20000, 3, (0, 1, 2)
UPDATES = ("the rule's", "other learners", "other states", "other states less their means")
SETTINGS: dict[str, dict[str, Any]] = {
    "J_D = 0.5, annealed": {},
    "J_D = 0, feedback stays": {"self_coupling": 0.0, "annealing": "none"},
}
Floats = NDArray[np.floating[Any]]


def relax(
    J: Floats, external: Floats, steering: Floats, J_D: float, amplitudes: NDArray[np.float64]
) -> tuple[Floats, Floats]:
    """Return states (B, H) after synchronous sweeps, and their stabilities without feedback."""
    s = np.zeros_like(external)
    for a in amplitudes:
        h = s @ J.T + np.float32(J_D) * s + external + np.float32(a) * steering
        s = np.where(h >= 0, np.float32(1), np.float32(-1))
    return s, s * (s @ J.T + np.float32(J_D) * s + external)


def learn(settings: Configuration, update: str) -> tuple[BinaryNetwork, float]:
    """Train with one of `UPDATES`; return the network and eta of what J learned."""
    p, rule, seed = settings.network, settings.plasticity, settings.training.seed
    drawn = BinaryNetwork.random(p, seed)
    J, W_in, W_out = (a.copy() for a in (drawn.couplings, drawn.input_weights, drawn.readout))
    J_D, steering = float(drawn.self_couplings[0]), drawn.feedback_fields
    data, B = load_entangled_mnist(), settings.training.batch_size
    X, y = data.X_train[:SAMPLES].astype(np.float32), data.y_train[:SAMPLES]
    rates = rule.scaled_rates(p).astype(np.float32)
    keep = (1 - rule.losses(p)).astype(np.float32)
    gains = rates / np.float32(np.sqrt(B))
    amplitudes, rng = settings.schedule.amplitudes, np.random.default_rng(seed)
    u_before = s_before = np.zeros((B, p.n_neurons), np.float32)
    for _ in range(settings.training.epochs):
        for rows in rng.permutation(SAMPLES).reshape(-1, B):
            x, targets = X[rows], np.where(np.arange(p.n_outputs) == y[rows, None], 1, -1)
            s, stabilities = relax(J, x @ W_in.T, steering[y[rows]], J_D, amplitudes)
            u = (stabilities <= rule.margin + J_D).astype(np.float32)
            wrong = ((s @ W_out.T) * targets <= rule.readout_margin) * targets
            of_others, sources = u, s
            if update == "other learners":
                of_others = u_before
            elif update == "other states":
                sources = s_before
            elif update == "other states less their means":
                sources = s_before - s_before.mean(axis=0)
            J = keep[0] * J + gains[0] * (of_others * s).T @ sources
            np.fill_diagonal(J, 0.0)
            W_in = keep[1] * W_in + gains[1] * (u * s).T @ x
            W_out = keep[2] * W_out + gains[2] * wrong.T.astype(np.float32) @ s
            u_before, s_before = u, s
    network = BinaryNetwork(J, W_in, W_out, drawn.feedback, drawn.self_coupling)
    return network, measure_symmetry(J - drawn.couplings)


def describe(values: list[float]) -> str:
    return f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}"


def main() -> None:
    data = load_entangled_mnist()
    print("| setting | update of J | eta learned | test accuracy |\n|---|---|---|---|")
    for name, changes in SETTINGS.items():
        base = preset("source").replace(n_hidden=200, epochs=EPOCHS, **changes)
        for update in (*UPDATES, "`binnet.train`"):
            etas, accuracies = [], []
            for seed in SEEDS:
                settings = base.replace(seed=seed)
                if update in UPDATES:
                    network, eta = learn(settings, update)
                else:
                    network = train(
                        data.X_train[:SAMPLES], data.y_train[:SAMPLES], settings
                    ).network
                    drawn = BinaryNetwork.random(settings.network, seed)
                    eta = measure_symmetry(network.couplings - drawn.couplings)
                etas.append(eta)
                accuracies.append(float((predict(network, data.X_test) == data.y_test).mean()))
            print(f"| {name} | {update} | {describe(etas)} | {describe(accuracies)} |", flush=True)


if __name__ == "__main__":
    main()
