"""The network as a classifier of scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from binnet._deprecation import renamed_parameter
from binnet._validation import check_real
from binnet.dynamics import relax
from binnet.encoders._fitting import unchanged_by_failure
from binnet.learning import Configuration, OnlineLearner, preset, train

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
    "update_order",
    "inference_sweeps",
)
# What the data and random_state decide.
_DECIDED = ("n_inputs", "n_outputs", "seed")


class BinaryRecurrentClassifier(ClassifierMixin, BaseEstimator):
    """Classifier: a binary recurrent network that learns by local plasticity.

    The features become spins: +1 where a feature is above `threshold`, else -1, as in
    `sklearn.naive_bayes.BernoulliNB`; for dense real features put a `RandomSignProjection` before
    it. A `fit` or `partial_fit` that fails leaves the classifier as it was.

    Parameters that are None have the value of `preset`; see `binnet.NetworkParameters`,
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
        eta_J, eta_in and eta_out; with the ``rate_scaling`` of the preset, "fields" in the default,
        eta_J is that at 400 neurons.
    update_order : str, optional
        How neurons are updated.
    inference_sweeps : int, optional
        Sweeps at most when classes are predicted.
    parameters : dict, optional
        Further parameters of `binnet.Configuration.replace` that have no name here, such as
        ``{"n_modules": 3}``.
    threshold : float, default 0.0
        What a feature must be above to become +1; the default fits spins, {0, 1} and bool.
    random_state : int, RandomState or None, default None
        Of the initial weights, the order of the samples and the update order.
    threads : int, optional
        Threads to run on at most: fewer where there are fewer cores, or where joblib allows a
        worker fewer. Results do not depend on it. Default: all cores or one, whichever is faster.
    verbose : bool, default False
        Whether `fit` shows its progress.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        The labels.
    network_ : BinaryNetwork
        What was learned.
    history_ : list of EpochMetrics
        Measurements of each epoch of `fit`; `partial_fit` measures nothing.
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

    @renamed_parameter("dynamics", "update_order")
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
        update_order: str | None = None,
        inference_sweeps: int | None = None,
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
        self.update_order = update_order
        self.inference_sweeps = inference_sweeps
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

        Raises
        ------
        TypeError, ValueError
            If the samples or a parameter are not what they must be.
        KeyboardInterrupt
            If Ctrl-C stopped it; what was learned until then stays in `network_`.
        """
        with unchanged_by_failure(self):
            X, y = validate_data(self, X, y)
            check_classification_targets(y)
            self.classes_, labels = np.unique(np.asarray(y), return_inverse=True)
            self._configuration = self._configure()
            # A batch cannot hold more than all samples; a larger one would only take memory.
            batch_size = min(self._configuration.training.batch_size, len(labels))
            result = train(
                self._to_spins(X),
                labels,
                self._configuration.replace(batch_size=batch_size),
                threads=self.threads,
                progress=self.verbose,
            )
            self.network_, self.history_, self._run = result.network, result.history, result.run
            self._learner: OnlineLearner | None = None
        if not result.completed:  # a grid search must not take it for a whole fit and go on
            raise KeyboardInterrupt
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

        Raises
        ------
        TypeError, ValueError
            If the samples, the classes or a parameter are not what they must be.
        """
        with unchanged_by_failure(self):
            self._learn_once_more(X, y, classes)
        return self

    def _learn_once_more(self, X: ArrayLike, y: ArrayLike, classes: ArrayLike | None) -> None:
        is_first = not hasattr(self, "network_")
        X, y = validate_data(self, X, y, reset=is_first)
        check_classification_targets(y)
        if is_first:
            if classes is None:
                raise ValueError("the first call of partial_fit needs classes, all labels to come")
            self.classes_ = np.unique(classes)
            self._configuration = self._configure()
            self._learner, self.history_ = None, []
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(
                f"classes must be those of the first call, {self.classes_}, got {classes}"
            )
        unknown = np.setdiff1d(y, self.classes_)
        if unknown.size:
            raise ValueError(f"y holds {unknown[0]}, which is not one of classes {self.classes_}")
        if self._learner is None:
            run = None if is_first else self._run
            self._learner = OnlineLearner(self._configuration, self.threads, run)
        self._learner.learn(self._to_spins(X), np.searchsorted(self.classes_, y))
        self.network_ = self._learner.network

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
            **training.inference_options(),
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
            Under a random update order each row draws its own numbers: the answer for a sample
            may depend on its row, not on the other samples.

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
        for name in further:
            if name in _TUNABLE:
                raise ValueError(
                    f"parameters may not hold {name!r}, got {further[name]!r}: pass it as "
                    f"{name}={further[name]!r}"
                )
            if name in _DECIDED:
                raise ValueError(
                    f"parameters may not hold {name!r}, got {further[name]!r}: the samples or "
                    "random_state decide it"
                )
        return preset(self.preset, further.get("n_modules")).replace(
            n_inputs=self.n_features_in_,
            n_outputs=len(self.classes_),
            seed=int(check_random_state(self.random_state).randint(2**31 - 1)),
            **{name: value for name, value in given.items() if value is not None},
            **further,
        )

    def _to_spins(self, X: ArrayLike) -> NDArray[np.int8]:
        threshold = check_real("threshold", self.threshold)
        return np.where(np.asarray(X) > threshold, np.int8(1), np.int8(-1))
