"""Inference of the test samples: `binnet.predict` against PyTorch in one big batch.

Both have the same weights and must find the same classes. The peer is run twice, with all samples
in every sweep and with only those that still move; the faster one counts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sides import Side, describe, report


@pytest.mark.parametrize(
    ("preset", "n_hidden", "threads"),
    [
        *(("default", n_hidden, threads) for n_hidden in (400, 1600) for threads in (2, 1)),
        ("graded", 1000, 1),
        ("graded", 2000, 1),
    ],
)
def test_inference(
    benchmark: Any,
    binnet_side: Side,
    torch_side: Side | None,
    quick: bool,
    make_case: Callable[..., dict[str, Any]],
    preset: str,
    n_hidden: int,
    threads: int,
) -> None:
    """Ten sweeps at most from silence; a sample at a fixed point stays there."""
    case = make_case(preset, n_hidden, 0 if quick else 1)
    request = {**case, "threads": threads, "n_samples": 500 if quick else 10000}
    ours: list[float] = []
    peers: dict[bool, list[float]] = {False: [], True: []}
    classes: dict[str, Any] = {}

    def ask_peer() -> None:
        if torch_side is None:
            return
        for only_active in (False, True):
            reply = torch_side.ask("predict", only_active=only_active, **request)
            peers[only_active].append(reply["seconds"])
            classes[f"torch {only_active}"] = np.array(reply["classes"])

    def ask_binnet() -> None:
        reply = binnet_side.ask("predict", **request)
        ours.append(reply["seconds"])
        classes["binnet"] = np.array(reply["classes"])

    binnet_side.ask("predict", **{**request, "n_samples": 50})  # compiles
    benchmark.pedantic(ask_binnet, setup=ask_peer, rounds=1 if quick else 6)
    best = min(peers, key=lambda only_active: min(peers[only_active], default=0.0))
    facts = describe(ours, peers[best], threads, case["seed"])
    if torch_side is not None:
        facts["peer_drops_settled_samples"] = best
        facts["torch_dense_min"], facts["torch_active_min"] = min(peers[False]), min(peers[True])
        differ = [int((classes["binnet"] != classes[f"torch {kind}"]).sum()) for kind in peers]
        facts["predictions_that_differ"] = max(differ)
        # A field within round-off of 0 may send a sample another way: of 10 000 x 10 sweeps x H
        # fields, of order 1 and with an error of about 1e-6, some are.
        assert max(differ) <= 0.001 * request["n_samples"]
    benchmark.extra_info.update(facts)
    report(f"inference {preset} H={n_hidden} threads={threads}", facts)
