"""RTRL in PyTorch: a product of Jacobians with all influence matrices each step."""

from __future__ import annotations

from typing import Any

from binnet.benchmarks._workload import Task, Workload
from binnet.benchmarks.peers import _rate
from binnet.benchmarks.peers._threads import limit_torch

try:
    import torch
except ModuleNotFoundError:  # the module can be imported; what needs PyTorch is not offered then
    torch = None


def advance(workload: Workload, threads: int) -> Task:
    """`bmm`, from one array into another by turns."""
    limit_torch(threads)
    case = _rate.draw_case(workload)
    n_samples, n, *_ = case.shape
    pair = torch.empty((2, *case.shape))
    flat = pair.view(2, n_samples, n, -1)
    diagonals = [half.diagonal(dim1=1, dim2=2) for half in pair]  # (B, N + 1, N)
    grads = torch.empty(flat.shape[-1])
    trials = [torch.from_numpy(part) for part in case]

    def run() -> tuple[Any, Any]:
        pair[0].zero_()
        grads.zero_()
        for t, (jacobian, immediate, signals) in enumerate(zip(*trials, strict=True)):
            new = 1 - t % 2
            torch.bmm(jacobian, flat[t % 2], out=flat[new])
            diagonals[new].add_(immediate[:, :, None])
            grads.addmv_(flat[new].view(n_samples * n, -1).T, signals.reshape(-1))
        return grads, pair[len(case.signals) % 2]

    return _rate.make_task(case, run)
