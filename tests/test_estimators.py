"""The scikit-learn face: its own checks, pipelines, grid searches, learning in parts."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from binnet import BinaryRecurrentClassifier, RandomSignProjection, predict

EXPECTED_FAILURES: dict[str, dict[str, str]] = {}


@parametrize_with_checks(
    [
        BinaryRecurrentClassifier(n_hidden=40, epochs=5, random_state=0, threads=1),
        RandomSignProjection(8),
    ],
    expected_failed_checks=lambda estimator: EXPECTED_FAILURES.get(type(estimator).__name__, {}),
)
def test_scikit_learns_checks(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.fixture(scope="module")
def digits() -> tuple[Any, ...]:
    X, y = load_digits(return_X_y=True)
    return X[:1400], y[:1400], X[1400:], y[1400:]


def make_model(**changes: Any) -> Any:
    options = {"n_hidden": 150, "epochs": 10, "random_state": 0, "threads": 1} | changes
    return make_pipeline(
        RandomSignProjection(200, random_state=0), BinaryRecurrentClassifier(**options)
    )


def test_pipeline_learns_digits(digits: tuple[Any, ...]) -> None:
    X, y, X_test, y_test = digits
    model = make_model().fit(X, y)
    assert model.score(X_test, y_test) > 0.8  # ACCURACY
    classifier = model[-1]
    assert len(classifier.history_) == 10
    spins = model[0].transform(X_test)
    np.testing.assert_array_equal(predict(classifier.network_, spins), model.predict(X_test))
    again = clone(model).set_params(binaryrecurrentclassifier__threads=2).fit(X, y)
    np.testing.assert_array_equal(again.decision_function(X_test), model.decision_function(X_test))


def test_grid_search(digits: tuple[Any, ...]) -> None:
    X, y = digits[:2]
    grid = {"binaryrecurrentclassifier__self_coupling": [0.0, 0.7]}
    search = GridSearchCV(make_model(n_hidden=80, epochs=3), grid, cv=2).fit(X, y)
    # Without self-coupling the state does not survive the release of the feedback.
    assert search.best_params_ == {"binaryrecurrentclassifier__self_coupling": 0.7}


def test_partial_fit_goes_on(digits: tuple[Any, ...]) -> None:
    X, y, X_test, y_test = digits
    spins = RandomSignProjection(200, random_state=0).fit_transform(X)
    test = RandomSignProjection(200, random_state=0).fit_transform(X_test)
    model = BinaryRecurrentClassifier(n_hidden=150, random_state=0, threads=1)
    names = np.array([f"digit {k}" for k in range(10)])
    scores = []
    for _ in range(4):
        for part in np.array_split(np.arange(len(X)), 3):
            model.partial_fit(spins[part], names[y[part]], classes=names)
        scores.append(model.score(test, names[y_test]))
    assert scores[-1] > 0.8
    assert scores[-1] > scores[0]
    with pytest.raises(ValueError, match="classes must be those of the first call"):
        model.partial_fit(spins, names[y], classes=names[:5])
    with pytest.raises(ValueError, match="nine, which is not one of classes"):
        model.partial_fit(spins[:1], ["nine"])


def test_other_parameters_and_their_errors() -> None:
    X, y = np.eye(6), np.arange(6) % 2
    model = BinaryRecurrentClassifier(
        20, epochs=1, preset="chain", parameters={"n_modules": 2}, random_state=1
    )
    model.fit(X, y)
    assert model.network_.sizes == (20, 20)
    assert model.decision_function(X).shape == (6,)
    with pytest.raises(ValueError, match="self_coupling must be a finite number >= 0, got -1"):
        BinaryRecurrentClassifier(self_coupling=-1).fit(X, y)
    with pytest.raises(ValueError, match="n_components must be an integer >= 1, got 0"):
        RandomSignProjection(0).fit(X)


def test_without_scikit_learn() -> None:
    code = (
        "import sys; sys.modules['sklearn'] = None\n"
        "import binnet\n"
        "try: binnet.BinaryRecurrentClassifier\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'pip install "binnet[sklearn]"' in done.stdout
