"""Write eprop_torch.npz: e-prop by PyTorch's autograd with the recurrent input detached.

    python tests/golden/make_eprop.py      # needs torch

The tests compare with the file, and with PyTorch itself where it is installed.
"""

from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
LEAK, N, N_IN, N_OUT, B, T = 0.6, 7, 3, 2, 4, 9
CASES = [(f, loss) for f in ("relu", "tanh") for loss in ("squared", "cross_entropy")]
ADAM_STEPS, LEARNING_RATE = 5, 0.01


def make_case(loss: str) -> dict[str, Array]:
    """Weights, inputs, targets and mask of a small network, float64."""
    rng = np.random.default_rng(3)
    targets = rng.standard_normal((B, T, N_OUT))
    return {
        "recurrent": rng.standard_normal((N, N)) / np.sqrt(N),
        "input_weights": rng.standard_normal((N, N_IN)),
        "readout": rng.standard_normal((N_OUT, N)),
        "inputs": rng.standard_normal((B, T, N_IN)),
        "mask": rng.integers(0, 3, (B, T)).astype(float),
        "targets": targets if loss == "squared" else targets.argmax(axis=2),
    }


def compute_gradients(
    case: dict[str, Array], activation: str, loss: str, detach: bool
) -> tuple[float, dict[str, Array]]:
    """Loss and gradients by autograd; with `detach`, of e-prop."""
    import torch

    names = ("recurrent", "input_weights", "readout")
    weights = {k: torch.tensor(case[k], requires_grad=True) for k in names}
    x, m = torch.tensor(case["inputs"]), torch.tensor(case["mask"])
    f = {"relu": torch.relu, "tanh": torch.tanh}[activation]
    h, outputs = torch.zeros(B, N, dtype=torch.float64), []
    for t in range(T):
        rate = f(h.detach() if detach else h)
        drive = rate @ weights["recurrent"].T + x[:, t] @ weights["input_weights"].T
        h = LEAK * h + (1 - LEAK) * drive
        outputs.append(f(h) @ weights["readout"].T)
    y, target = torch.stack(outputs, 1), torch.tensor(case["targets"])
    if loss == "squared":
        value = (m[..., None] * (y - target) ** 2).sum() / (2 * N_OUT * m.sum())
    else:
        cross_entropy = torch.nn.functional.cross_entropy
        each = cross_entropy(y.flatten(0, 1), target.flatten(), reduction="none")
        value = (m.flatten() * each).sum() / m.sum()
    value.backward()
    return value.item(), {k: w.grad.numpy() for k, w in weights.items()}


def run_adam(start: Array, grads: Array) -> Array:
    """Weights after each gradient in turn."""
    import torch

    weight = torch.tensor(start, requires_grad=True)
    optimiser = torch.optim.Adam([weight], lr=LEARNING_RATE)
    steps = []
    for grad in grads:
        weight.grad = torch.tensor(grad)
        optimiser.step()
        steps.append(weight.detach().numpy().copy())
    return np.stack(steps)


def make_adam_case() -> tuple[Array, Array]:
    rng = np.random.default_rng(4)
    return rng.standard_normal((3, 4)), rng.standard_normal((ADAM_STEPS, 3, 4))


if __name__ == "__main__":
    import torch

    arrays = {"torch": np.array(torch.__version__), "adam": run_adam(*make_adam_case())}
    for activation, loss in CASES:
        value, grads = compute_gradients(make_case(loss), activation, loss, detach=True)
        arrays[f"{activation}.{loss}.loss"] = np.array(value)
        arrays |= {f"{activation}.{loss}.{name}": grad for name, grad in grads.items()}
    np.savez_compressed(Path(__file__).with_name("eprop_torch.npz"), **arrays)
