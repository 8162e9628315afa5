"""The classifier on data of all kinds: encoders, probabilities, weights, going on, names."""

import copy
import pickle
import warnings
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.calibration import calibration_curve
from sklearn.datasets import load_digits, load_iris, make_classification
from sklearn.decomposition import PCA
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from binnet import BinaryRecurrentClassifier, predict
from binnet.encoders import ThermometerEncoder, ThresholdEncoder
from binnet.estimators._calibration import fit_temperature, hold_out
from binnet.estimators._samples import count_rows

QUICK: dict[str, Any] = {"n_hidden": 30, "epochs": 3, "random_state": 0, "threads": 1}


def make_samples(n_samples: int = 90, **options: Any) -> Any:
    options = {"n_features": 5, "n_informative": 4, "n_redundant": 1, "n_classes": 3} | options
    return make_classification(n_samples, n_clusters_per_class=1, random_state=0, **options)


def test_iris() -> None:
    X, y = load_iris(return_X_y=True)
    model = BinaryRecurrentClassifier(random_state=0, threads=1)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    assert cross_val_score(model, X, y, cv=folds).mean() > 0.92


@pytest.mark.slow
def test_digits() -> None:
    X, y = load_digits(return_X_y=True)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    scores = cross_val_score(BinaryRecurrentClassifier(random_state=0), X, y, cv=folds)
    assert scores.mean() > 0.95


def test_inputs_of_every_kind_are_learned() -> None:
    X, y = make_samples()
    X = (X - X.min()) / (X.max() - X.min())
    pixels = np.rint(X * 255).astype(np.uint8)
    kinds = (
        (X, "auto", np.int8),
        (pixels, "auto", np.uint8),
        (X, "standardise", np.float64),
        (X, "none", np.float64),
        (X, ThresholdEncoder("median"), np.int8),
        (X, make_pipeline(StandardScaler(), PCA(3)), np.float64),
    )
    for features, encoder, dtype in kinds:
        model = BinaryRecurrentClassifier(encoder=encoder, **QUICK).fit(features, y)
        inputs = model.encoder_.transform(features)
        assert inputs.dtype == dtype
        assert model.score(features, y) > 0.7
        np.testing.assert_array_equal(
            predict(model.network_, inputs, threads=1), model.predict(features)
        )
        if not isinstance(encoder, str):
            assert model.encoder_ is not encoder  # a clone: parameters stay as given
            assert not hasattr(encoder, "n_features_in_")


def test_random_state_is_that_of_an_encoder_by_name() -> None:
    X, y = make_samples()
    models = [
        BinaryRecurrentClassifier(**QUICK | {"encoder": "entangled", "random_state": seed}).fit(
            X, y
        )
        for seed in (0, 0, 1, np.random.RandomState(0))
    ]
    components = [model.encoder_.components_ for model in models]
    np.testing.assert_array_equal(components[0], components[1])
    np.testing.assert_array_equal(components[0], components[3])
    assert (components[0] != components[2]).any()
    np.testing.assert_array_equal(models[0].predict_proba(X), models[1].predict_proba(X))


def test_order_of_the_samples_does_not_count() -> None:
    X, y = make_samples()
    order = np.random.default_rng(0).permutation(len(X))
    fields = [
        BinaryRecurrentClassifier(**QUICK).fit(X[rows], y[rows]).predict_proba(X)
        for rows in (slice(None), order)
    ]
    np.testing.assert_array_equal(*fields)


def test_probabilities_are_calibrated() -> None:
    """On new samples of a noisy problem that is learned by heart, of two and of three classes."""
    generator = np.random.default_rng(0)
    X = generator.choice([-1, 1], (1900, 25))
    for n_classes in (2, 3):
        scores = X @ generator.standard_normal((25, n_classes))
        y = (scores + 2 * generator.gumbel(size=scores.shape)).argmax(axis=1)
        model = BinaryRecurrentClassifier(n_hidden=100, random_state=0, threads=1)
        model.fit(X[:400], y[:400])
        probabilities = model.predict_proba(X[400:])
        np.testing.assert_allclose(probabilities.sum(axis=1), 1)
        winners = model.classes_[probabilities.argmax(axis=1)]
        np.testing.assert_array_equal(winners, model.predict(X[400:]))
        sure = clone(model).set_params(calibration_fraction=0.0).fit(X[:400], y[:400])
        np.testing.assert_array_equal(sure.predict(X), model.predict(X))
        loss, of_sure = (log_loss(y[400:], each.predict_proba(X[400:])) for each in (model, sure))
        assert loss < of_sure - 0.04  # what it learned says little about what is new
        assert loss < 0.9 * np.log(n_classes)
        hits, confidence = winners == y[400:], probabilities.max(axis=1)
        rate, mean = calibration_curve(hits, confidence, n_bins=4, strategy="quantile")
        # A temperature from 80 held-out samples is uncertain (docs/results/estimator.md): measured
        # 0.17 at most.
        np.testing.assert_allclose(rate, mean, atol=0.19)


def test_temperature_has_the_smallest_log_loss() -> None:
    generator = np.random.default_rng(0)
    fields = generator.standard_normal((4000, 3)) * 2
    noise = generator.gumbel(size=fields.shape)
    for scale in (0.2, 1.0, 7.0):  # labels drawn with the probabilities softmax(fields)
        found = fit_temperature(scale * fields, (fields + noise).argmax(axis=1))
        assert found == pytest.approx(scale, rel=0.05)
    assert 0 < fit_temperature(fields, fields.argmax(axis=1)) < 0.2  # no error, yet not 0
    assert fit_temperature(np.zeros((5, 2)), np.zeros(5, int)) == 1.0


def test_held_out_are_whole_samples_of_every_class() -> None:
    labels = np.repeat([0, 1, 0, 2], [20, 10, 5, 3])
    digests = np.arange(len(labels), dtype=np.uint64)
    digests[:10] = 0  # one sample ten times: 16 different ones of class 0
    held = hold_out(digests, labels, 0.2)
    assert [held[labels == k].sum() for k in range(3)] == [3, 2, 0]
    assert not held[:10].any()
    assert not hold_out(digests, labels, 0.0).any()
    digests[10:20] = 10
    assert hold_out(digests, labels, 0.5)[10:20].all()


def test_weights_are_rows() -> None:
    counted = count_rows(np.array([2.0, 0.0, 3.0]), scale=True, n_features=1)
    assert counted.tolist() == [2, 0, 3]
    weights = np.random.default_rng(0).random(1000)
    counted = count_rows(weights, scale=True, n_features=1)
    scaled = weights * (4000 / weights.sum())
    assert counted.sum() == 4000
    assert (np.abs(counted - scaled) <= 1).all()
    np.testing.assert_array_equal(counted, count_rows(5e-5 * weights, scale=True, n_features=1))
    assert count_rows(weights, scale=False, n_features=1).sum() == np.floor(weights.sum() + 0.5)


def test_class_weights_move_the_boundary() -> None:
    X, y = make_samples(200, n_classes=2, class_sep=0.3, weights=[0.85])
    recall = {}
    for weight in (None, "balanced", {1: 20.0}):
        model = BinaryRecurrentClassifier(class_weight=weight, **QUICK).fit(X, y)
        recall[str(weight)] = (model.predict(X)[y == 1] == 1).mean()
    assert recall["None"] < recall["balanced"]
    assert recall["balanced"] <= recall["{1: 20.0}"]
    by_class = BinaryRecurrentClassifier(class_weight={1: 3}, **QUICK).fit(X, y)
    by_sample = BinaryRecurrentClassifier(**QUICK).fit(X, y, sample_weight=1 + 2 * (y == 1))
    np.testing.assert_array_equal(by_class.predict_proba(X), by_sample.predict_proba(X))
    parts = BinaryRecurrentClassifier(**QUICK).partial_fit(
        X, y, classes=[0, 1], sample_weight=np.arange(len(X)) % 3
    )
    repeated = BinaryRecurrentClassifier(**QUICK).partial_fit(
        *(np.repeat(part, np.arange(len(X)) % 3, axis=0) for part in (X, y)), classes=[0, 1]
    )
    np.testing.assert_array_equal(parts.predict_proba(X), repeated.predict_proba(X))


def test_warm_start_goes_on() -> None:
    X, y = make_samples()
    once = BinaryRecurrentClassifier(**QUICK, warm_start=True).fit(X, y)
    first, encoder = once.network_.input_weights, once.encoder_
    twice = copy.deepcopy(once).set_params(epochs=2).fit(X, y)
    assert len(twice.history_) == 2
    assert np.corrcoef(twice.network_.input_weights.ravel(), first.ravel())[0, 1] > 0.9
    assert (twice.network_.input_weights != first).any()
    np.testing.assert_array_equal(once.network_.input_weights, first)
    again = pickle.loads(pickle.dumps(once)).set_params(epochs=2).fit(X, y)
    np.testing.assert_array_equal(again.predict_proba(X), twice.predict_proba(X))
    assert once.fit(X, y).encoder_ is encoder
    anew = clone(once).set_params(warm_start=False).fit(X, y)
    np.testing.assert_array_equal(anew.fit(X, y).network_.input_weights, first)
    with pytest.raises(ValueError, match="warm_start goes on with the classes of the fit before"):
        once.fit(X, y + 1)
    with pytest.raises(ValueError, match="5 features"):
        once.fit(X[:, :3], y)
    once.partial_fit(X, y)
    learned = once.network_.input_weights
    once.set_params(rate_input=0.0).fit(X, y)  # parameters are those of the first fit
    assert np.corrcoef(once.network_.input_weights.ravel(), learned.ravel())[0, 1] > 0.9


def test_partial_fit_keeps_the_encoder_of_its_first_call() -> None:
    X, y = make_samples()
    model = BinaryRecurrentClassifier(**QUICK)
    model.partial_fit(X[:50], y[:50], classes=[0, 1, 2])
    levels = model.encoder_.thresholds_
    np.testing.assert_array_equal(levels, ThermometerEncoder(16).fit(X[:50]).thresholds_)
    for _ in range(5):
        model.partial_fit(X[50:], y[50:])
    assert model.encoder_.thresholds_ is levels
    assert log_loss(y, model.predict_proba(X)) < np.log(3)
    with pytest.raises(ValueError, match="class_weight must be a dict"):
        clone(model).set_params(class_weight="balanced").partial_fit(X, y, classes=[0, 1, 2])


def test_frames_and_sparse_matrices() -> None:
    pandas = pytest.importorskip("pandas")
    X, y = make_samples()
    X = np.where(np.abs(X) < 0.5, 0.0, X)
    dense = BinaryRecurrentClassifier(**QUICK).fit(X, y)
    sparse = BinaryRecurrentClassifier(**QUICK).fit(csr_array(X), y)
    np.testing.assert_array_equal(sparse.predict_proba(csr_array(X)), dense.predict_proba(X))
    many = csr_array(np.hstack([X] * 30))
    wide = BinaryRecurrentClassifier(**QUICK).fit(many, y)
    assert not wide.encoder_.with_mean
    assert wide.score(many, y) > 0.7
    frame = pandas.DataFrame(X, columns=list("abcde"))
    named = BinaryRecurrentClassifier(**QUICK).fit(frame, pandas.Series(y).map(lambda k: f"c{k}"))
    assert named.feature_names_in_.tolist() == list("abcde")
    assert named.classes_.tolist() == ["c0", "c1", "c2"]
    with pytest.raises(ValueError, match="feature names should match"):
        named.predict(frame[list("edcba")])


def test_warns_where_samples_look_the_same() -> None:
    X, y = make_samples()
    model = BinaryRecurrentClassifier(threshold=100.0, **QUICK)
    with pytest.warns(UserWarning, match="all samples have the same inputs"):
        model.fit(X, y)
    high = X + np.array([0, 0, 50, 50, 0])
    with pytest.warns(UserWarning, match="2 of 5 features are constant though they vary in X"):
        BinaryRecurrentClassifier(threshold=0.0, **QUICK).fit(high, y)
    with warnings.catch_warnings():  # one that is constant in X is no reason
        warnings.simplefilter("error")
        BinaryRecurrentClassifier(**QUICK).fit(np.hstack([X, np.ones((len(X), 1))]), y)


def test_parameters_that_are_wrong() -> None:
    X, y = make_samples()
    for parameters, message in (
        ({"encoder": "onehot"}, "encoder must be one of none, threshold"),
        (
            {"calibration_fraction": 1.0},
            "calibration_fraction must be a finite number >= 0 and < 1",
        ),
        ({"threshold": "mode"}, 'threshold must be a number, "median" or "mean"'),
        ({"class_weight": {0: -1.0}}, "class_weight must be a finite number >= 0"),
    ):
        with pytest.raises(ValueError, match=message):
            BinaryRecurrentClassifier(**QUICK | parameters).fit(X, y)
    model = BinaryRecurrentClassifier(**QUICK)
    for weights, message in (
        (-np.ones(len(X)), "sample_weight must be a finite number >= 0, got -1"),
        (np.zeros(len(X)), "zero"),
    ):
        with pytest.raises(ValueError, match=message):
            model.fit(X, y, sample_weight=weights)
    with pytest.raises(ValueError, match="no sample is presented"):
        model.partial_fit(X, y, classes=[0, 1, 2], sample_weight=np.full(len(X), 1e-4))
    with pytest.raises(MemoryError, match="weights count as rows"):
        model.fit(X, y, sample_weight=np.full(len(X), 10**12))


def test_grid_search_in_processes() -> None:
    """Each of joblib's workers has one thread, whatever `threads` asks for."""
    X, y = make_samples()
    pipeline = make_pipeline(MinMaxScaler(), BinaryRecurrentClassifier(**QUICK | {"threads": 2}))
    grid = {"binaryrecurrentclassifier__encoder": ["thermometer", "standardise"]}
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=2).fit(X, y)
    alone = GridSearchCV(pipeline, grid, cv=2).fit(X, y)
    for key in ("split0_test_score", "split1_test_score"):
        np.testing.assert_array_equal(search.cv_results_[key], alone.cv_results_[key])
    assert search.score(X, y) > 0.7
