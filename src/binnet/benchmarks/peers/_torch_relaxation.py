"""Relaxation in PyTorch: a dense product and a sign, on the replicas that have not settled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from binnet.benchmarks._workload import Task, Workload
from binnet.benchmarks.peers._relaxation import Found, draw_case, make_task
from binnet.benchmarks.peers._threads import limit_torch

try:
    import torch
except ModuleNotFoundError:  # the module can be imported; what needs PyTorch is not offered then
    torch = None

Tensor = Any


def relax_rows(workload: Workload, threads: int) -> Task:
    """Products s @ J.T, float32, in which sums of 16-bit couplings are exact."""

    def prepare(J: Tensor) -> Callable[[Tensor], Tensor]:
        presynaptic = J.T.contiguous()
        return lambda s: torch.mm(s, presynaptic)

    return _make_task(workload, threads, prepare)


def relax_columns(workload: Workload, threads: int) -> Task:
    """Products J @ s.T."""
    return _make_task(workload, threads, lambda J: lambda s: torch.mm(J, s.T).T)


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


def _make_task(workload: Workload, threads: int, prepare: Callable[[Tensor], Any]) -> Task:
    limit_torch(threads)
    case = draw_case(workload.sizes)
    multiply = prepare(torch.from_numpy(case.matrix))
    start = torch.from_numpy(case.start).to(torch.float32)
    return make_task(case, lambda: _relax_by_products(multiply, start))
