"""The network as scikit-learn knows estimators, for pipelines and grid searches."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from binnet._validation import check_integer, check_real
from binnet.dynamics import relax
from binnet.learning import Configuration, OnlineLearner, preset, train

try:
    from sklearn.base import (
        BaseEstimator,
        ClassifierMixin,
        ClassNamePrefixFeaturesOutMixin,
        TransformerMixin,
    )
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise ImportError(
        "binnet's estimators need scikit-learn 1.6 or newer; install it with "
        'pip install "binnet[sklearn]"'
    ) from error

# Parameters of the configuration that are parameters of the classifier; None: the preset's.
_TUNABLE = (
    "n_hidden",
    "self_coupling",
    "input_strength",
    "feedback_strength",
    "epochs",
    "batch_size",
    "margin",
    "readout_margin",
    "rate_couplings",
    "rate_input",
    "rate_readout",
    "dynamics",
)


class BinaryRecurrentClassifier(ClassifierMixin, BaseEstimator):
    """Classifier: a binary recurrent network that learns by local plasticity.

    The features become spins, x = sign(feature - threshold) with sign(0) = +1, as in
    `sklearn.naive_bayes.BernoulliNB`; for dense real features put a `RandomSignProjection` before
    it. Parameters that are None have the value of `preset`; see `binnet.NetworkParameters`,
    `binnet.PerceptronPlasticity` and `binnet.TrainingParameters` for what they mean.

    Parameters
    ----------
    n_hidden : int, optional
        Hidden neurons H (of each module).
    preset : str, default "default"
        Where parameters come from that are not given, see `binnet.preset`.
    self_coupling, input_strength, feedback_strength : float, optional
        J_D, lambda_in and lambda_back.
    epochs, batch_size : int, optional
        Passes over the samples in `fit`, and samples per update.
    margin, readout_margin : float, optional
        kappa and kappa_out.
    rate_couplings, rate_input, rate_readout : float, optional
        eta_J, eta_in and eta_out.
    dynamics : {"sync", "async", "random-subset"}, optional
        How neurons are updated.
    parameters : dict, optional
        Any further parameters of `binnet.Configuration.replace`, such as ``{"n_modules": 3}``.
    threshold : float, default 0.0
        What a feature is compared with to become a spin.
    random_state : int, RandomState or None, default None
        Of the initial weights, the order of the samples and the dynamics.
    threads : int, optional
        Threads to run on; results do not depend on it. Default: all cores or one, whichever is
        faster.
    verbose : bool, default False
        Whether `fit` shows its progress.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        The labels.
    network_ : BinaryNetwork
        What was learned.
    history_ : list of EpochMetrics
        Measurements of each epoch of `fit`; empty after `partial_fit`.
    n_features_in_ : int
        Features seen in `fit`.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.pipeline import make_pipeline
    >>> X, y = load_digits(return_X_y=True)
    >>> model = make_pipeline(
    ...     RandomSignProjection(200, random_state=0),
    ...     BinaryRecurrentClassifier(n_hidden=200, random_state=0),
    ... )
    >>> bool(model.fit(X[:1500], y[:1500]).score(X[1500:], y[1500:]) > 0.8)
    True
    """

    def __init__(
        self,
        n_hidden: int | None = None,
        *,
        preset: str = "default",
        self_coupling: float | None = None,
        input_strength: float | None = None,
        feedback_strength: float | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        margin: float | None = None,
        readout_margin: float | None = None,
        rate_couplings: float | None = None,
        rate_input: float | None = None,
        rate_readout: float | None = None,
        dynamics: str | None = None,
        parameters: dict[str, Any] | None = None,
        threshold: float = 0.0,
        random_state: Any = None,
        threads: int | None = None,
        verbose: bool = False,
    ) -> None:
        self.n_hidden = n_hidden
        self.preset = preset
        self.self_coupling = self_coupling
        self.input_strength = input_strength
        self.feedback_strength = feedback_strength
        self.epochs = epochs
        self.batch_size = batch_size
        self.margin = margin
        self.readout_margin = readout_margin
        self.rate_couplings = rate_couplings
        self.rate_input = rate_input
        self.rate_readout = rate_readout
        self.dynamics = dynamics
        self.parameters = parameters
        self.threshold = threshold
        self.random_state = random_state
        self.threads = threads
        self.verbose = verbose

    def fit(self, X: ArrayLike, y: ArrayLike) -> BinaryRecurrentClassifier:
        """Learn from samples, from new initial weights.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_features)
            Finite real features.
        y : array_like, shape (n_samples,)
            Labels of at least two classes.

        Returns
        -------
        BinaryRecurrentClassifier
            The fitted classifier.
        """
        X, y = validate_data(self, X, y)
        check_classification_targets(y)
        self.classes_, labels = np.unique(np.asarray(y), return_inverse=True)
        self._configuration = self._configure()
        result = train(
            self._to_spins(X),
            labels,
            self._configuration,
            threads=self.threads,
            progress=self.verbose,
        )
        self.network_, self.history_ = result.network, result.history
        self._learner = OnlineLearner(self._configuration, self.threads, result.network)
        return self

    def partial_fit(
        self, X: ArrayLike, y: ArrayLike, classes: ArrayLike | None = None
    ) -> BinaryRecurrentClassifier:
        """Learn each sample once more, at constant rates, on top of what has been learned so far.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_features)
            Finite real features.
        y : array_like, shape (n_samples,)
            Labels.
        classes : array_like, shape (n_classes,), optional
            All labels that will ever come; required in the first call, unless `fit` came before.

        Returns
        -------
        BinaryRecurrentClassifier
            The classifier.
        """
        is_first = not hasattr(self, "_learner")
        X, y = validate_data(self, X, y, reset=is_first)
        check_classification_targets(y)
        if is_first:
            if classes is None:
                raise ValueError("the first call of partial_fit needs classes, all labels to come")
            self.classes_ = np.unique(classes)
            self._configuration = self._configure()
            self._learner = OnlineLearner(self._configuration, self.threads)
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(
                f"classes must be those of the first call, {self.classes_}, got {classes}"
            )
        unknown = np.setdiff1d(y, self.classes_)
        if unknown.size:
            raise ValueError(f"y holds {unknown[0]}, which is not one of classes {self.classes_}")
        self._learner.learn(self._to_spins(X), np.searchsorted(self.classes_, y))
        self.network_, self.history_ = self._learner.network, []
        return self

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the readout fields f_c after a relaxation without feedback.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_features)
            Finite real features.

        Returns
        -------
        ndarray, shape (n_samples, n_classes), or (n_samples,) for two classes
            f_c of each class; for two, that of the second less that of the first.
        """
        check_is_fitted(self, "network_")
        X = validate_data(self, X, reset=False)
        training = self._configuration.training
        result = relax(
            self.network_,
            self._to_spins(X),
            max_sweeps=training.inference_sweeps,
            dynamics=training.dynamics,
            update_probability=training.update_probability,
            seed=training.seed,
            threads=self.threads,
            stop_at_cycle=False,
        )
        fields = np.asarray(result.readout_fields, np.float64)
        return fields[:, 1] - fields[:, 0] if len(self.classes_) == 2 else fields

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the class with the largest readout field.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_features)
            Finite real features.

        Returns
        -------
        ndarray, shape (n_samples,)
            Labels.
        """
        fields = self.decision_function(X)
        winners = (fields > 0).astype(int) if fields.ndim == 1 else fields.argmax(axis=1)
        return np.asarray(self.classes_[winners])

    def _configure(self) -> Configuration:
        if len(self.classes_) < 2:
            raise ValueError(
                f"y must hold at least 2 classes, got 1 class: {self.classes_[0]!r}; a classifier "
                "needs something to tell apart"
            )
        given = {name: getattr(self, name) for name in _TUNABLE}
        further = self.parameters or {}
        return preset(self.preset, further.get("n_modules")).replace(
            n_inputs=self.n_features_in_,
            n_outputs=len(self.classes_),
            seed=int(check_random_state(self.random_state).randint(2**31 - 1)),
            **{name: value for name, value in given.items() if value is not None},
            **further,
        )

    def _to_spins(self, X: ArrayLike) -> NDArray[np.int8]:
        return np.where(check_real("threshold", self.threshold) <= np.asarray(X), 1, -1).astype(
            np.int8
        )


class RandomSignProjection(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Transformer: signs of random projections, x = sign(P^T u) with sign(0) = +1.

    This is how entangled MNIST is made of pixels (learning.md, section 4); angles between samples
    survive as overlaps between spins.

    Parameters
    ----------
    n_components : int, default 100
        Spins of the output, at least 1.
    random_state : int, RandomState or None, default None
        Of P, whose entries are independent and standard normal.

    Attributes
    ----------
    components_ : ndarray, shape (n_features, n_components)
        P.
    n_features_in_ : int
        Features seen in `fit`.

    Examples
    --------
    >>> RandomSignProjection(5, random_state=0).fit_transform(np.eye(3)).shape
    (3, 5)
    """

    def __init__(self, n_components: int = 100, *, random_state: Any = None) -> None:
        self.n_components = n_components
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: object = None) -> RandomSignProjection:
        """Draw the projection; of the samples only the number of features counts.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_features)
            Finite real features.
        y : object
            Ignored.

        Returns
        -------
        RandomSignProjection
            The fitted transformer.
        """
        validate_data(self, X)
        size = (self.n_features_in_, check_integer("n_components", self.n_components, 1))
        self.components_ = check_random_state(self.random_state).standard_normal(size)
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.int8]:
        """Return the signs of the projections.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_features)
            Finite real features.

        Returns
        -------
        ndarray of int8, shape (n_samples, n_components)
            -1 or +1.
        """
        check_is_fitted(self, "components_")
        X = validate_data(self, X, reset=False)
        return np.where(X @ self.components_ >= 0, 1, -1).astype(np.int8)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # spins are int8, whatever the features are
        return tags

    @property
    def _n_features_out(self) -> int:
        return int(self.components_.shape[1])
