"""Relaxation in PyTorch: a dense product and a sign, on the replicas that have not settled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from binnet.benchmarks._workload import Task
from binnet.benchmarks.peers._relaxation import Found, draw_case, make_task

Tensor = Any


def relax_rows(sizes: Mapping[str, int], threads: int) -> Task:
    """Products s @ J.T, float32, in which sums of 16-bit couplings are exact."""
    return _make_task(sizes, threads, lambda J: lambda s, J_T=J.T.contiguous(): torch.mm(s, J_T))


def relax_columns(sizes: Mapping[str, int], threads: int) -> Task:
    """Products J @ s.T."""
    return _make_task(sizes, threads, lambda J: lambda s: torch.mm(J, s.T).T)


def _relax_by_products(multiply: Callable[[Tensor], Tensor], start: Tensor) -> Found:
    states, final, flips = start, start.clone(), []
    active, plus = torch.arange(len(start)), torch.ones(1)
    while len(active):
        new = torch.where(multiply(states) >= 0, plus, -plus)
        moved = torch.zeros(len(start), dtype=torch.int64)
        moved[active] = (new != states).sum(dim=1)
        flips.append(moved)
        is_settled = moved[active] == 0
        final[active[is_settled]] = states[is_settled]
        active, states = active[~is_settled], new[~is_settled]
    return Found(final, torch.stack(flips, dim=1))


def _make_task(sizes: Mapping[str, int], threads: int, prepare: Callable[[Tensor], Any]) -> Task:
    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)
    case = draw_case(sizes)
    multiply = prepare(torch.from_numpy(case.matrix))
    start = torch.from_numpy(case.start).to(torch.float32)
    return make_task(case, lambda: _relax_by_products(multiply, start))
