"""The scikit-learn face: its own checks, pipelines, grid searches, learning in parts."""

import functools
import signal
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import BernoulliNB
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from binnet import BinaryRecurrentClassifier, RandomSignProjection, predict, preset, train
from binnet.datasets import project_and_binarise
from binnet.estimators import classifier
from binnet.learning import OnlineLearner, Run

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
    assert model.score(X_test, y_test) > 0.84  # measured: 0.874, with two other seeds 0.856
    classifier = model[-1]
    assert len(classifier.history_) == 10
    spins = model[0].transform(X_test)
    np.testing.assert_array_equal(predict(classifier.network_, spins), model.predict(X_test))
    fields = model.decision_function(X_test)
    np.testing.assert_array_equal(clone(model).fit(X, y).decision_function(X_test), fields)
    other = clone(model).set_params(binaryrecurrentclassifier__random_state=1).fit(X, y)
    assert (other.decision_function(X_test) != fields).any()
    again = clone(model).set_params(binaryrecurrentclassifier__threads=2).fit(X, y)
    np.testing.assert_array_equal(again.decision_function(X_test), fields)


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


def test_partial_fit_is_an_epoch_at_constant_rates() -> None:
    X, y = make_spins()
    options = {"n_hidden": 30, "random_state": 3, "threads": 1}
    whole = BinaryRecurrentClassifier(
        epochs=2, parameters={"rate_schedule": "constant"}, **options
    ).fit(X, y)
    parts = BinaryRecurrentClassifier(**options)
    for _ in range(2):
        parts.partial_fit(X, y, classes=[0, 1])
    np.testing.assert_array_equal(parts.network_.couplings, whole.network_.couplings)
    np.testing.assert_array_equal(parts.decision_function(X), whole.decision_function(X))
    before = whole.network_.couplings
    whole.partial_fit(X, y)
    assert (whole.network_.couplings != before).any()  # and it goes on from there:
    assert np.corrcoef(whole.network_.couplings.ravel(), before.ravel())[0, 1] > 0.9
    assert len(whole.history_) == 2


def test_online_learner_refuses_what_it_cannot_learn() -> None:
    X, y = make_spins()
    small = preset().replace(n_hidden=5, n_inputs=X.shape[1], n_outputs=2)
    with pytest.raises(ValueError, match="X must be finite"):
        OnlineLearner(small, 1).learn(np.inf * X, y)
    with pytest.raises(ValueError, match=r"y must be in 0\.\.1"):
        OnlineLearner(small, 1).learn(X, y + 1)


def test_partial_fit_goes_on_in_integers() -> None:
    """From the integers of `fit`, latent weights included: as one run of two epochs would."""
    X, y = make_spins()
    integers = {"arithmetic": "int4", "latent_bits": 8, "rate_schedule": "constant"}
    fitted, two = (
        BinaryRecurrentClassifier(
            20, epochs=epochs, random_state=0, threads=1, parameters=integers
        ).fit(X, y)
        for epochs in (1, 2)
    )
    before = fitted.network_.couplings
    fitted.partial_fit(X, y)
    assert not np.array_equal(fitted.network_.couplings, before)
    steps = np.unique(np.abs(fitted.network_.couplings))
    assert len(steps) <= 9  # the levels of 4 bits
    assert fitted.network_.couplings.shape == two.network_.couplings.shape


def test_batch_larger_than_the_samples_is_all_of_them() -> None:
    X, y = make_spins()
    fields = [
        BinaryRecurrentClassifier(20, epochs=2, batch_size=size, random_state=0, threads=1)
        .fit(X, y)
        .decision_function(X)
        for size in (len(X), 10**12)  # the arrays of the second would fill no memory there is
    ]
    np.testing.assert_array_equal(*fields)


def test_threshold_makes_spins_of_features() -> None:
    X, y = make_spins()
    options = {"n_hidden": 20, "epochs": 2, "random_state": 0, "threads": 1}
    spins = BinaryRecurrentClassifier(**options).fit(X, y)
    bits = BinaryRecurrentClassifier(threshold=0.5, **options).fit((X + 1) // 2, y)
    np.testing.assert_array_equal(bits.network_.input_weights, spins.network_.input_weights)
    at_threshold = np.where(X == 1, 0.1, 0.0)
    np.testing.assert_array_equal(spins.predict(at_threshold), spins.predict(X))


def test_bits_need_no_threshold() -> None:
    """Features 0 and 1, and bool, are the spins that BernoulliNB takes them for."""
    X, y = make_spins()
    options = {"n_hidden": 20, "epochs": 2, "random_state": 0, "threads": 1}
    spins = BinaryRecurrentClassifier(**options).fit(X, y)
    for features in (X == 1, (X == 1).astype(int), (X == 1).astype(np.float32)):
        bits = BinaryRecurrentClassifier(**options).fit(features, y)
        np.testing.assert_array_equal(bits.network_.input_weights, spins.network_.input_weights)
        np.testing.assert_array_equal(bits.decision_function(features), spins.decision_function(X))
        bernoulli = BernoulliNB(binarize=bits.threshold).fit(features, y)
        np.testing.assert_array_equal(
            bits._to_spins(features) == 1, bernoulli._check_X(np.asarray(features)) == 1
        )


def test_refit_that_fails_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = make_spins()
    model = BinaryRecurrentClassifier(20, epochs=1, random_state=0, threads=1).fit(X, y)
    fields, before = model.decision_function(X), dict(vars(model))
    other, names = np.hstack([X, X]), np.array(["a", "b", "c"])[np.arange(len(X)) % 3]

    def refuse(*arguments: Any, **options: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(classifier, "train", refuse)
    with pytest.raises(MemoryError):
        model.fit(other, names)
    with pytest.raises(ValueError, match="must be a finite number >= 0, got -1"):
        model.set_params(self_coupling=-1.0).fit(other, names)
    model.set_params(self_coupling=None)
    with pytest.raises(ValueError, match="which is not one of classes"):
        model.partial_fit(X, y + 1)
    assert vars(model) == before
    np.testing.assert_array_equal(model.decision_function(X), fields)
    fresh = BinaryRecurrentClassifier(0)
    with pytest.raises(ValueError, match="n_hidden must be an integer >= 1"):
        fresh.partial_fit(X, y, classes=[0, 1])
    assert vars(fresh).keys() == vars(BinaryRecurrentClassifier(0)).keys()
    projection = RandomSignProjection(8, random_state=0).fit(X)
    with pytest.raises(ValueError, match="n_components must be"):
        projection.set_params(n_components=0).fit(other)
    assert projection.transform(X).shape == (len(X), 8)


def test_partial_fit_that_is_stopped_learns_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the next one is not that of the samples that were left."""
    X, y = make_spins()
    model, other = (
        BinaryRecurrentClassifier(20, batch_size=8, random_state=0, threads=1) for _ in range(2)
    )
    for each in (model, other):
        each.partial_fit(X, y, classes=[0, 1])
    learn = Run.learn

    def stop(run: Run, X: Any, y: Any, n_batches: int, threads: int) -> None:
        learn(run, X, y, 3, threads)
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(Run, "learn", stop)
        with pytest.raises(KeyboardInterrupt):
            model.partial_fit(X, y)
    np.testing.assert_array_equal(model.decision_function(X), other.decision_function(X))
    for each in (model, other):
        each.partial_fit(X[:8], y[:8])
    np.testing.assert_array_equal(model.network_.couplings, other.network_.couplings)


def test_interrupt_ends_fit_and_keeps_what_was_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = make_spins()
    stop = functools.partial(train, on_epoch=lambda result: signal.raise_signal(signal.SIGINT))
    monkeypatch.setattr(classifier, "train", stop)
    model = BinaryRecurrentClassifier(20, epochs=5, random_state=0, threads=1)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert len(model.history_) == 1
    assert model.predict(X).shape == y.shape


def test_projection_is_that_of_entangled_mnist() -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 784), np.uint8)
    projection = RandomSignProjection(30, random_state=7)
    spins = projection.fit_transform(images)
    assert spins.dtype == np.int8
    np.testing.assert_array_equal(spins, project_and_binarise(images, 30, seed=7))
    np.testing.assert_array_equal(projection.transform(csr_array(images)), spins)
    np.testing.assert_array_equal(projection.transform(np.zeros((1, 784))), np.ones((1, 30)))
    names = projection.get_feature_names_out()
    assert [names[0], names[-1], len(names)] == [
        "randomsignprojection0",
        "randomsignprojection29",
        30,
    ]
    # A generator is asked for a seed, so that it draws another projection each time.
    drawn = [
        RandomSignProjection(30, random_state=generator).fit(images).components_
        for generator in [np.random.RandomState(0)] * 2
    ]
    assert (drawn[0] != drawn[1]).any()


def make_spins() -> tuple[Any, Any]:
    X = np.random.default_rng(1).choice([-1, 1], (60, 12))
    return X, (X[:, :3].sum(axis=1) > 0).astype(int)


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
    with pytest.raises(ValueError, match="may not hold 'n_hidden', got 5: pass it as n_hidden=5"):
        BinaryRecurrentClassifier(parameters={"n_hidden": 5}).fit(X, y)
    with pytest.raises(ValueError, match="may not hold 'seed', got 5: the samples or random_state"):
        BinaryRecurrentClassifier(parameters={"seed": 5}).fit(X, y)
    with pytest.raises(TypeError, match="unknown parameter 'margn'"):
        BinaryRecurrentClassifier(parameters={"margn": 5}).fit(X, y)
    model = BinaryRecurrentClassifier(
        20, epochs=1, random_state=1, threads=1, parameters={"arithmetic": "int8"}
    )
    assert len(model.fit(X, y).history_) == 1
    assert (
        BinaryRecurrentClassifier(20, epochs=1, inference_sweeps=1, random_state=1)
        .fit(X, y)
        ._configuration.training.inference_sweeps
        == 1
    )
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
