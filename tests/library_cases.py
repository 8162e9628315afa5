"""Small networks and tasks for the tests of the library, and its equations in plain NumPy."""

import numpy as np

from binnet import BinaryNetwork, NetworkParameters, preset

N_INPUTS, N_CLASSES = 20, 4

# A run that takes milliseconds once the kernels are compiled.
TINY = preset("source").replace(
    n_hidden=40, n_inputs=N_INPUTS, n_outputs=N_CLASSES, epochs=3, batch_size=8
)


def make_network(
    n_hidden: int = 40, dtype: type = np.float32, seed: int = 0, **parameters: float
) -> BinaryNetwork:
    sizes = NetworkParameters(n_hidden, N_INPUTS, N_CLASSES, **parameters)
    return BinaryNetwork.random(sizes, seed, dtype)


def draw_spins(n_rows: int, n_columns: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).choice(np.array([-1, 1], np.int8), (n_rows, n_columns))


def make_task(n_samples: int, noise: float = 0.1, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """One random prototype a class, of which each sample flips some bits."""
    rng = np.random.default_rng(seed)
    prototypes = draw_spins(N_CLASSES, N_INPUTS)
    y = rng.integers(0, N_CLASSES, n_samples)
    flips = np.where(rng.random((n_samples, N_INPUTS)) < noise, -1, 1).astype(np.int8)
    return prototypes[y] * flips, y


def hidden_fields(
    network: BinaryNetwork,
    X: np.ndarray,
    states: np.ndarray,
    y: np.ndarray | None = None,
    amplitude: float = 0.0,
) -> np.ndarray:
    """h_i of docs/model/network.md, section 1, in float64."""
    J, W_in, W_back = (
        weights.astype(np.float64)
        for weights in (network.couplings, network.input_weights, network.feedback)
    )
    h = states @ J.T + network.self_coupling * states + X @ W_in.T
    if y is not None:
        n_classes = network.n_outputs
        active = np.arange(n_classes) == np.asarray(y)[:, None]
        h = h + amplitude * np.where(active, np.sqrt(n_classes) / 2, -0.5) @ W_back.T
    return np.asarray(h)


def readout_fields(network: BinaryNetwork, states: np.ndarray) -> np.ndarray:
    return np.asarray(states @ network.readout.astype(np.float64).T)


def sign(h: np.ndarray) -> np.ndarray:
    return np.where(h >= 0, 1, -1)


def sweep_sync(network: BinaryNetwork, X: np.ndarray, states: np.ndarray) -> np.ndarray:
    return sign(hidden_fields(network, X, states))
