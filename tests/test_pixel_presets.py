"""Presets for graded pixels: what they fix, and that they learn pixels of 8 bits."""

import numpy as np
import pytest

from binnet import predict, preset, train
from binnet.learning import PRESETS

PIXELS = ("mnist", "fashion", "mnist-third-factor", "fashion-third-factor")


def draw_images(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return mostly dark images of ten classes: half of a class's pixels are bright in a sample."""
    prototypes = np.random.default_rng(0).random((10, 784)) < 0.2
    rng = np.random.default_rng(seed)
    y = rng.integers(10, size=n)
    shown = prototypes[y] & (rng.random((n, 784)) < 0.5)
    return (shown * rng.integers(128, 256, size=(n, 784))).astype(np.uint8), y


def test_all_are_listed_and_take_images() -> None:
    assert set(PIXELS) < set(PRESETS)
    for name in PIXELS:
        assert preset(name).network.n_inputs == 784
        assert preset(name).rule.name == ("third-factor" if "third" in name else "perceptron")


@pytest.mark.parametrize("name", PIXELS)
def test_they_learn_pixels(name: str) -> None:
    X, y = draw_images(400, 1)
    result = train(X, y, preset(name).replace(n_hidden=50, epochs=3), threads=1)
    X_new, y_new = draw_images(200, 2)
    assert np.mean(predict(result.network, X_new, threads=1) == y_new) > 0.9
