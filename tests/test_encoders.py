"""Encoders: scikit-learn's checks, what they compute, and that they survive being written down."""

import json
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array, csr_matrix

pytest.importorskip("sklearn")

from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from binnet.datasets import project_and_binarise
from binnet.encoders import (
    ENCODERS,
    RandomSignProjection,
    ThermometerEncoder,
    ThresholdEncoder,
    choose_encoder,
    describe_encoder,
    make_encoder,
    restore_encoder,
)


@parametrize_with_checks(
    [ThresholdEncoder("median"), ThermometerEncoder(3), RandomSignProjection(8)]
)
def test_scikit_learns_checks(estimator: Any, check: Any) -> None:
    check(estimator)


def make_features() -> Any:
    generator = np.random.default_rng(0)
    X = generator.standard_normal((50, 4)) * [1.0, 10.0, 1e-3, 1.0] + [0.0, 5.0, 0.0, 1e6]
    X[:, 3] = 7.1  # constant
    return X


def test_threshold_says_who_is_above() -> None:
    X = make_features()
    np.testing.assert_array_equal(ThresholdEncoder(0.5).fit_transform(X), np.where(X > 0.5, 1, -1))
    for threshold, find in (("median", np.median), ("mean", np.mean)):
        spins = ThresholdEncoder(threshold).fit_transform(X)
        assert spins.dtype == np.int8
        expected = np.where(X - find(X, axis=0) > 0, 1, -1)
        np.testing.assert_array_equal(spins[:, :3], expected[:, :3])
        assert (ThresholdEncoder(threshold).fit_transform(X[:, 3:]) == -1).all()
    bits = np.array([[0, 1], [1, 1], [1, 0], [1, 1]])
    for features in (bits, bits.astype(bool), bits.astype(np.uint8), csr_array(bits)):
        for threshold in (0.0, "median"):  # the median is 1, the maximum
            spins = ThresholdEncoder(threshold).fit_transform(features)
            np.testing.assert_array_equal(spins, 2 * bits - 1)


def test_thermometer_counts_the_levels_below() -> None:
    X = make_features()
    encoder = ThermometerEncoder(4)
    spins = encoder.fit_transform(X)
    assert spins.shape == (50, 16)
    levels = spins.reshape(50, 4, 4)
    assert (np.diff(levels, axis=2) <= 0).all()  # on up to a level, off from there on
    counts = (levels == 1).sum(axis=2)
    for k in range(3):
        np.testing.assert_array_equal(np.bincount(counts[:, k]), [10] * 5)  # quantiles
        order = np.argsort(X[:, k])
        assert (np.diff(counts[order, k]) >= 0).all()
    assert (counts[:, 3] == 0).all()
    np.testing.assert_array_equal(encoder.transform(csr_array(X)), spins)
    mostly = np.array([[0.0], [2.0], [3.0], *[[3.0]] * 20])  # no level is at the maximum
    assert ThermometerEncoder(2).fit_transform(mostly)[:, 1].tolist() == [-1, -1, *[1] * 21]


def test_names_of_spins_are_those_of_features() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"width": [0.0, 1.0, 2.0], "length": [3.0, 1.0, 5.0]})
    threshold = ThresholdEncoder("mean").fit(frame)
    assert threshold.get_feature_names_out().tolist() == ["width", "length"]
    thermometer = ThermometerEncoder(2).fit(frame)
    names = thermometer.get_feature_names_out().tolist()
    assert names == ["width_0", "width_1", "length_0", "length_1"]
    shown = thermometer.set_output(transform="pandas").transform(frame)
    assert shown.columns.tolist() == names
    with pytest.raises(ValueError, match="feature names"):
        thermometer.transform(frame[["length", "width"]])


@pytest.mark.parametrize("name", ENCODERS)
def test_written_down_and_read_again(name: str) -> None:
    pandas = pytest.importorskip("pandas")
    X = make_features()
    frame = pandas.DataFrame(X, columns=["a", "b", "c", "d"])
    for samples in (X, frame):
        encoder = make_encoder(name).fit(samples)
        values, arrays = describe_encoder(encoder)
        for array in arrays.values():
            assert array.dtype.kind in "iuf"
        again = restore_encoder(json.loads(json.dumps(values)), arrays)
        assert type(again) is type(encoder)
        assert again.n_features_in_ == 4
        old, new = (np.asarray(each.transform(samples)) for each in (encoder, again))
        np.testing.assert_array_equal(new, old)
        assert new.dtype == old.dtype
        names = again.get_feature_names_out().tolist()
        assert names == encoder.get_feature_names_out().tolist()
        if name != "standardise":  # scikit-learn's passes it on: the network refuses it
            with pytest.raises(ValueError, match="NaN"):
                again.transform(samples + np.nan)


def test_parameters_are_written_down() -> None:
    X = make_features()
    for encoder in (
        ThresholdEncoder(np.float64(0.25)),
        ThermometerEncoder(n_levels=np.int64(3)),
        RandomSignProjection(5, random_state=3),
        make_encoder("standardise", with_mean=False),
    ):
        values, arrays = describe_encoder(encoder.fit(X))
        again = restore_encoder(json.loads(json.dumps(values)), arrays)
        assert again.get_params() == encoder.get_params()
    drawn = RandomSignProjection(5, random_state=np.random.RandomState(0)).fit(X)
    again = restore_encoder(*describe_encoder(drawn))
    np.testing.assert_array_equal(again.components_, drawn.components_)


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


def test_standardise_is_scikit_learns() -> None:
    X = make_features()
    inputs = make_encoder("standardise").fit_transform(X)
    np.testing.assert_allclose(inputs[:, :3].mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(inputs[:, :3].std(axis=0), 1)
    np.testing.assert_allclose(inputs[:, 3], 0, atol=1e-12)


def test_encoder_is_chosen_by_the_features() -> None:
    spins = np.array([[1.0, -1.0], [-1.0, -1.0]])
    for X, kind in (
        (spins, FunctionTransformer),
        (spins.astype(np.int8), FunctionTransformer),
        (spins > 0, ThresholdEncoder),
        (spins + 1 > 0, ThresholdEncoder),
        (np.array([[0, 200]], np.uint8), FunctionTransformer),
        (np.array([[0, 1]], np.uint8), ThresholdEncoder),
        (csr_matrix(np.eye(2)), ThresholdEncoder),
    ):
        assert type(choose_encoder(X)) is kind
    for n_features, n_levels in ((2, 16), (32, 16), (64, 8), (128, 4)):
        assert choose_encoder(np.full((3, n_features), 0.5)).n_levels == n_levels
    many = np.full((3, 129), 0.5)
    assert choose_encoder(many).with_mean
    assert not choose_encoder(csr_matrix(many)).with_mean


def test_what_is_wrong_is_said() -> None:
    X = make_features()
    with pytest.raises(ValueError, match="encoder must be one of none, threshold"):
        make_encoder("onehot")
    with pytest.raises(TypeError, match="'thermometer' has no parameter 'levels'; it has n_levels"):
        make_encoder("thermometer", levels=3)
    with pytest.raises(TypeError, match="'none' has no parameter 'copy'; it has none"):
        make_encoder("none", copy=True)
    with pytest.raises(ValueError, match='a number, "median" or "mean", got \'mode\''):
        ThresholdEncoder("mode").fit(X)
    with pytest.raises(ValueError, match="n_levels must be an integer >= 1, got 0"):
        ThermometerEncoder(0).fit(X)
    with pytest.raises(ValueError, match="n_components must be an integer >= 1, got 0"):
        RandomSignProjection(0).fit(X)
    fitted = RandomSignProjection(8, random_state=0).fit(X)
    with pytest.raises(ValueError, match="n_components must be"):
        fitted.set_params(n_components=0).fit(X[:, :2])
    assert fitted.transform(X).shape == (50, 8)  # as before
    with pytest.raises(NotFittedError):
        describe_encoder(ThermometerEncoder())
    for other in (MinMaxScaler().fit(X), FunctionTransformer(np.sqrt, validate=True).fit(X**2)):
        with pytest.raises(TypeError, match="must be one that make_encoder makes"):
            describe_encoder(other)
