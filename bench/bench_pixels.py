"""Graded inputs, pixels of MNIST, through diluted weights, beside lean PyTorch with the same maths.

Learning and inference. `binnet bench` has the same of binary inputs; what is measured here is what
its fixed data are not. With ``--benchmark-disable`` everything runs once, on little work. Where
PyTorch is not installed our side runs alone. Nothing here asserts a time: the assertions are about
equal results.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from sides import Side, describe, report, scale_to_epoch

Case = Callable[..., dict[str, Any]]


@pytest.fixture
def compare(
    benchmark: Any, binnet_side: Side, torch_side: Side | None, quick: bool
) -> Callable[..., None]:
    """Let both sides learn the same batches in turn; pytest-benchmark times ours, we time both."""

    def work(
        title: str, n_batches: int, rounds: int, diluted: bool = False, **request: Any
    ) -> None:
        if quick:
            n_batches, rounds = 4, 1
        # Diluted weights: dense with a mask, and in compressed rows; the faster one counts.
        peers: dict[bool, list[dict[str, Any]]] = {sparse: [] for sparse in {False, diluted}}
        replies: list[dict[str, Any]] = []

        def ask_peer() -> None:
            if torch_side is not None:
                for sparse, answers in peers.items():
                    reply = torch_side.ask("learn", n_batches=n_batches, sparse=sparse, **request)
                    answers.append(reply)

        def ask_binnet() -> None:
            replies.append(binnet_side.ask("learn", n_batches=n_batches, **request))

        binnet_side.ask("learn", n_batches=2, **request)  # compiles
        if torch_side is not None:
            torch_side.ask("learn", n_batches=2, **request)
        benchmark.pedantic(ask_binnet, setup=ask_peer, rounds=rounds)
        ours = scale_to_epoch(replies, n_batches)
        theirs = {key: scale_to_epoch(answers, n_batches) for key, answers in peers.items()}
        best = min(theirs, key=lambda sparse: min(theirs[sparse], default=0.0))
        facts = describe(ours, theirs[best], request["threads"], request["seed"])
        if diluted and torch_side is not None:
            facts["torch_masked_min"], facts["torch_compressed_min"] = map(min, theirs.values())
        facts["batches_timed"], facts["unstable"] = n_batches, replies[-1]["unstable"]
        facts["flips_after_first_sweep"] = float(np.mean(replies[-1]["flips"][1:]))
        facts["fixed_seconds_per_call"] = min(reply["fixed"] for reply in replies)
        benchmark.extra_info.update(facts)
        report(title, facts)

    return work


@pytest.mark.parametrize("epochs_before", [0, 1])
@pytest.mark.parametrize("n_hidden", [1000, 2000])
def test_burst_of_pixels(
    compare: Callable[..., None],
    make_case: Case,
    quick: bool,
    n_hidden: int,
    epochs_before: int,
) -> None:
    """Graded inputs, 784 pixels of MNIST, in the first and the second epoch; one thread each."""
    case = make_case("graded", n_hidden, 0 if quick else epochs_before)
    title = f"burst of pixels, epoch {epochs_before + 1} H={n_hidden} threads=1"
    compare(title, 40 if n_hidden == 1000 else 10, 12, diluted=True, threads=1, **case)


@pytest.mark.parametrize("n_hidden", [1000, 2000])
def test_inference_of_pixels(
    benchmark: Any,
    binnet_side: Side,
    torch_side: Side | None,
    quick: bool,
    make_case: Case,
    n_hidden: int,
) -> None:
    """`predict` of 10000 samples beside PyTorch in one big batch, which the settled leave."""
    case = make_case("graded", n_hidden, 0 if quick else 1)
    request = {**case, "threads": 1, "n_samples": 500 if quick else 10000}
    ours: list[dict[str, Any]] = []
    peers: list[dict[str, Any]] = []

    def ask_peer() -> None:
        if torch_side is not None:
            peers.append(torch_side.ask("predict", only_active=True, **request))

    binnet_side.ask("predict", **{**request, "n_samples": 50})  # compiles
    benchmark.pedantic(
        lambda: ours.append(binnet_side.ask("predict", **request)),
        setup=ask_peer,
        rounds=1 if quick else 6,
    )
    seconds, theirs = ([reply["seconds"] for reply in side] for side in (ours, peers))
    facts = describe(seconds, theirs, 1, case["seed"])
    if peers:
        differ = np.not_equal(ours[-1]["classes"], peers[-1]["classes"]).sum()
        facts["predictions_that_differ"] = int(differ)
        # A field within round-off of 0 may send a sample another way: of 10 000 x 10 sweeps x H
        # fields, of order 1 and with an error of about 1e-6, some are.
        assert differ <= 0.001 * request["n_samples"]
    benchmark.extra_info.update(facts)
    report(f"inference of pixels H={n_hidden} threads=1", facts)


def note(seen: dict[str, list[Any]], name: str, value: Any) -> None:
    """Keep what the peer shows."""
    seen[name].append(value.clone().numpy())


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")
@pytest.mark.parametrize(
    ("preset", "sparse"),
    [("source", False), ("default", False), ("graded", False), ("graded", True)],
)
@pytest.mark.parametrize(("n_hidden", "n_batches"), [(400, 12), (1600, 3)])
def test_same_update(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
    preset: str,
    sparse: bool,
    n_hidden: int,
    n_batches: int,
) -> None:
    """From the same weights, the same samples give the same states and the same update.

    The two add in different orders, so fields differ by float32 round-off, here below 1e-4 (a few
    hundred summands of order 1, with 6e-8 relative error each). A spin or a stability test may come
    out differently only where its field is that close to the threshold; a sample or neuron where
    one was is left out, and few are.
    """
    torch = pytest.importorskip("torch", reason="compares with PyTorch, of the extra bench")
    from binnet.benchmarks.peers._lean_torch import LeanTorch, as_batches
    from binnet_kernels.training import records
    from pixels_worker import BATCH, Binnet, is_graded, load_case, load_data

    torch.set_num_threads(1)
    round_off, left_out = 1e-4, 0
    outcomes: list[Any] = []
    original = records.make_workspace

    def keep(*arguments: Any) -> Any:
        work = original(*arguments)
        outcomes.append(work.outcome)
        return work

    monkeypatch.setattr(records, "make_workspace", keep)
    side = Binnet()
    request: dict[str, Any] = {
        "preset": preset, "n_hidden": n_hidden, "seed": 0, "epochs_before": 0, "threads": 1,
        "path": str(tmp_path / "case.npz"),
    }  # fmt: skip
    data = load_data(is_graded(request))
    side.prepare(request)
    run = side.resume(request)
    _, rule, case = load_case(request["path"])
    X, y = as_batches(data.X_train, data.y_train, case["order"], BATCH)
    for k in range(n_batches):
        before = run.network().to_dense()
        weights = {
            "couplings": before.couplings,
            "input_weights": before.input_weights,
            "readout": before.readout,
            "feedback_fields": before.feedback_fields,
        }
        peer = LeanTorch(weights, float(case["self_coupling"]), sparse)
        seen: dict[str, list[Any]] = defaultdict(list)
        now = slice(k, k + 1)
        peer.learn(X[now], y[now], rule, case["rate_factors"][now], partial(note, seen))
        run.learn(data.X_train, data.y_train, 1, 1)
        after = run.network().to_dense()
        sure_samples = np.abs(seen["h"]).min(axis=(0, 1)) > round_off  # in all sweeps, all neurons
        states = outcomes[-1].state[:, :n_hidden].T
        np.testing.assert_array_equal(seen["s"][0][:, sure_samples], states[:, sure_samples])
        left_out += int((~sure_samples).sum())
        if not np.array_equal(seen["s"][0], states):
            continue  # a sample at round-off went another way, and so does the whole batch's update
        sure = (np.abs(seen["margin"][0]) > round_off).all(axis=1)
        assert sure.mean() > 0.9
        # One step of J is rate / sqrt(H B) >= 6e-5 (source, H=400), and 3e-5 at H=1600: 1e-6 tells
        # every step apart.
        for ours, theirs in (
            (after.couplings[sure], peer.couplings()[sure]),
            (after.input_weights[sure], peer.W_in.to_numpy()[sure]),
            (after.readout, peer.W_out.numpy()),
        ):
            np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)
        assert not np.allclose(after.couplings, before.couplings, rtol=1e-6, atol=1e-6)
    assert left_out <= 0.5 * n_batches * BATCH
