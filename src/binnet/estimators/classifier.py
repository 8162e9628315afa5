"""The network as a classifier of scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from binnet._deprecation import renamed_parameter
from binnet._validation import check_real
from binnet.dynamics import relax
from binnet.encoders._fitting import unchanged_by_failure
from binnet.estimators._calibration import fit_temperature, hold_out
from binnet.estimators._inputs import begin_encoder, encode, warn_of_constants
from binnet.estimators._samples import choose_classes, find_classes, lay_out, trim, weigh_classes
from binnet.estimators._settings import configure, configure_again, count_passes
from binnet.learning import Configuration, OnlineLearner, TrainingResult, train
from binnet.networks import BinaryNetwork


class BinaryRecurrentClassifier(ClassifierMixin, BaseEstimator):
    """Classifier: a binary recurrent network that learns by local plasticity.

    An encoder, chosen from the data if none is given, makes inputs of the features: spins or graded
    numbers. What is learned depends on which samples there are, not on their order. A `fit` or
    `partial_fit` that fails leaves the classifier as it was.

    Parameters that are None have the value of `preset`, if nothing else is said; see
    `binnet.NetworkParameters`, `binnet.PerceptronPlasticity` and `binnet.TrainingParameters` for
    what they mean.

    Parameters
    ----------
    n_hidden : int, optional
        Hidden neurons H (of each module). Default: in a `fit` of fewer than 1000 samples 200, else
        the preset's.
    preset : str, default "third-factor"
        Where parameters come from that are not given, see `binnet.preset`: "default" is the
        source's rule with our settings.
    encoder : str or transformer, default "auto"
        A name of `binnet.encoders.make_encoder`, a transformer (its clone is fitted), or "auto",
        that of `binnet.encoders.choose_encoder`: spins stay spins, {0, 1} and bool become spins,
        pixels of uint8 are graded, x / 255; other features become thermometers, many of them are
        standardised.
    self_coupling, input_strength, feedback_strength : float, optional
        J_D, lambda_in and lambda_back.
    epochs : int, optional
        Passes over the samples in `fit`, measured each. Of fewer than 1024 samples each goes over
        them several times: until it has presented 1024, but at most 8 times. Default: 10.
    batch_size : int, optional
        Samples per update. Default: in a `fit` of fewer than 1000 samples 16, else the preset's.
    margin, readout_margin : float, optional
        kappa and kappa_out.
    rate_couplings, rate_input, rate_readout : float, optional
        eta_J, eta_in and eta_out; with the ``rate_scaling`` "fields" of the preset "default" eta_J
        is that at 400 neurons.
    update_order : str, optional
        How neurons are updated.
    inference_sweeps : int, optional
        Sweeps at most when classes are predicted.
    parameters : dict, optional
        Further parameters of `binnet.Configuration.replace` that have no name here, such as
        ``{"n_modules": 3}``. Default: of inputs that are thermometers ``{"input_noise": 0.1}``.
    threshold : float or {"median", "mean"}, optional
        What a feature must be above to become +1, else -1: short for the encoder
        ``ThresholdEncoder(threshold)``.
    class_weight : dict or "balanced", optional
        Weights of classes, which multiply those of their samples. Default: all 1.
    calibration_fraction : float, default 0.2
        Of the samples of each class, held out from a second network that learns the others: the
        temperature of `predict_proba` is that at which this one's log loss on them is smallest.
        The network that predicts learns all samples. 0: no second network; the temperature is that
        of the samples learned, and probabilities are too sure.
    warm_start : bool, default False
        Whether `fit` goes on from what was learned before, for `epochs` more, with the classes, the
        encoder and the parameters of then; rates begin anew.
    random_state : int, RandomState or None, default None
        Of the initial weights, the order of the samples, the update order and an encoder by name.
    threads : int, optional
        Threads to run on at most: fewer where there are fewer cores, or where joblib allows a
        worker fewer. Results do not depend on it. Default: all cores or one, whichever is faster.
    verbose : bool, default False
        Whether `fit` shows its progress.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        The labels.
    encoder_ : transformer
        The fitted encoder; later calls of `partial_fit` use that of the first one.
    network_ : BinaryNetwork
        What was learned.
    history_ : list of EpochMetrics
        Measurements of each epoch of `fit`; `partial_fit` measures nothing.
    temperature_ : float
        T of the probabilities, softmax(f / T).
    n_features_in_ : int
        Features seen in `fit`.
    feature_names_in_ : ndarray of str, shape (n_features_in_,)
        Their names, where they have any.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> X, y = load_wine(return_X_y=True)
    >>> model = BinaryRecurrentClassifier(random_state=0).fit(X[::2], y[::2])
    >>> bool(model.score(X[1::2], y[1::2]) > 0.9)
    True
    >>> model.encoder_
    ThermometerEncoder(n_levels=16)
    """

    classes_: NDArray[Any]
    _configuration: Configuration
    _runs: tuple[Any, Any]  # the run that predicts, and the one that judged, or None

    @renamed_parameter("dynamics", "update_order")
    def __init__(
        self,
        n_hidden: int | None = None,
        *,
        preset: str = "third-factor",
        encoder: Any = "auto",
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
        threshold: float | str | None = None,
        class_weight: Any = None,
        calibration_fraction: float = 0.2,
        warm_start: bool = False,
        random_state: Any = None,
        threads: int | None = None,
        verbose: bool = False,
    ) -> None:
        self.n_hidden = n_hidden
        self.preset = preset
        self.encoder = encoder
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
        self.class_weight = class_weight
        self.calibration_fraction = calibration_fraction
        self.warm_start = warm_start
        self.random_state = random_state
        self.threads = threads
        self.verbose = verbose

    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> BinaryRecurrentClassifier:
        """Learn from samples, from new initial weights if there is no `warm_start`.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n_samples, n_features)
            Finite real features.
        y : array_like, shape (n_samples,)
            Labels of at least two classes.
        sample_weight : array_like, shape (n_samples,), optional
            Weights >= 0. Integers are numbers of rows: 2 is a sample that is there twice, 0 one
            that is not. Of others only the ratios count: they are scaled to a mean of 4 and rounded
            so that the sum over samples is kept. Default: 1.

        Returns
        -------
        BinaryRecurrentClassifier
            The fitted classifier.

        Raises
        ------
        TypeError, ValueError
            If the samples or a parameter are not what they must be.
        MemoryError
            If there is not enough for the network or for the rows that weights ask for.
        KeyboardInterrupt
            If Ctrl-C stopped it; what was learned until then stays in `network_`.
        """
        fraction = check_real("calibration_fraction", self.calibration_fraction, 0, 1, below=True)
        goes_on = self.warm_start and hasattr(self, "_runs")
        with unchanged_by_failure(self):
            X, y = validate_data(self, X, y, accept_sparse="csr", reset=not goes_on)
            check_classification_targets(y)
            X, y, weights = trim(X, y, sample_weight)
            self.classes_ = choose_classes(y, self.classes_ if goes_on else None)
            weights = weigh_classes(self.class_weight, self.classes_, y, weights)
            X, labels, digests = lay_out(X, y, self.classes_, weights, scale=True)
            if not goes_on:
                begun = begin_encoder(self.encoder, self.threshold, X, self.random_state)
                self.encoder_ = begun.fit(X, labels)
            inputs = encode(self.encoder_, X)
            warn_of_constants(X, inputs, self.encoder_)
            if goes_on:
                self._configuration = configure_again(self, self._configuration)
            else:
                n_classes = len(self.classes_)
                self._configuration = configure(self, inputs.shape[1], n_classes, len(labels))
            held = hold_out(digests, labels, fraction)
            before = self._runs if goes_on else (None, None)
            result = self._train(inputs, labels, before[0])
            self.network_, self.history_ = result.network, result.history
            judge, judged = result, np.ones(len(labels), bool)
            if held.any() and result.completed:
                part = self._train(inputs[~held], labels[~held], before[1])
                if part.completed:
                    judge, judged = part, held
            self.temperature_ = fit_temperature(
                self._relax(judge.network, inputs[judged]), labels[judged]
            )
            part_run = judge.run if self.warm_start and judge is not result else None
            self._runs = (result.run, part_run)
            self._learner: OnlineLearner | None = None
        completed = result.completed and (judge is not result or not held.any())
        if not completed:  # a grid search must not take it for a whole fit and go on
            raise KeyboardInterrupt
        return self

    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> BinaryRecurrentClassifier:
        """Learn each sample once more, at constant rates, on top of what has been learned so far.

        The encoder is that of `fit`, or is chosen from, and fitted to, the samples of the first
        call. The temperature of the probabilities is that of the samples of the last call, as they
        were predicted before they were learned; in the first call after.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n_samples, n_features)
            Finite real features.
        y : array_like, shape (n_samples,)
            Labels.
        classes : array_like, shape (n_classes,), optional
            All labels that will ever come; required in the first call, unless `fit` came before.
        sample_weight : array_like, shape (n_samples,), optional
            How often each sample is presented; fractions are rounded so that the sum is kept.
            Default: once.

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
            self._learn_once_more(X, y, classes, sample_weight)
        return self

    def _learn_once_more(
        self, X: Any, y: Any, classes: ArrayLike | None, sample_weight: ArrayLike | None
    ) -> None:
        is_first = not hasattr(self, "network_")
        X, y = validate_data(self, X, y, accept_sparse="csr", reset=is_first)
        check_classification_targets(y)
        X, y, weights = trim(X, y, sample_weight)
        self.classes_ = find_classes(y, classes, None if is_first else self.classes_)
        if is_first:
            self._learner, self.history_ = None, []
        if isinstance(self.class_weight, str):
            raise ValueError(
                f"class_weight must be a dict of weights for partial_fit, got "
                f"{self.class_weight!r}: it does not know the samples to come"
            )
        weights = weigh_classes(self.class_weight, self.classes_, y, weights)
        X, labels, _ = lay_out(X, y, self.classes_, weights, scale=False)
        if is_first:
            begun = begin_encoder(self.encoder, self.threshold, X, self.random_state)
            self.encoder_ = begun.fit(X, labels)
        inputs = encode(self.encoder_, X)
        if is_first:
            self._configuration = configure(self, inputs.shape[1], len(self.classes_))
        if self._learner is None:
            run = None if is_first else self._runs[0]
            self._learner = OnlineLearner(self._configuration, self.threads, run)
        before = None if is_first else self._relax(self.network_, inputs)
        self._learner.learn(inputs, labels)
        self.network_, self._runs = self._learner.network, (self._learner.run, None)
        fields = self._relax(self.network_, inputs) if before is None else before
        self.temperature_ = fit_temperature(fields, labels)

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the readout fields f_c after a relaxation without feedback.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n_samples, n_features)
            Finite real features.

        Returns
        -------
        ndarray, shape (n_samples, n_classes), or (n_samples,) for two classes
            f_c of each class; for two, that of the second less that of the first.
        """
        check_is_fitted(self, "network_")
        fields = self._find_fields(X)
        return fields[:, 1] - fields[:, 0] if len(self.classes_) == 2 else fields

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the probability of each class, softmax(f / T).

        The largest is that of the class that `predict` names. T is fitted to samples that were held
        out from a network like this one, see `calibration_fraction`.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n_samples, n_features)
            Finite real features.

        Returns
        -------
        ndarray, shape (n_samples, n_classes)
            Probabilities.
        """
        check_is_fitted(self, "network_")
        fields = self._find_fields(X)
        return np.asarray(softmax(fields / self.temperature_, axis=1))

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the class with the largest readout field.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n_samples, n_features)
            Finite real features.
            Under a random update order each row draws its own numbers: the answer for a sample
            may depend on its row, not on the other samples.

        Returns
        -------
        ndarray, shape (n_samples,)
            Labels.
        """
        check_is_fitted(self, "network_")
        return np.asarray(self.classes_[self._find_fields(X).argmax(axis=1)])

    def _find_fields(self, X: Any) -> NDArray[np.float64]:
        X = validate_data(self, X, accept_sparse="csr", reset=False)
        return self._relax(self.network_, encode(self.encoder_, X))

    def _relax(self, network: BinaryNetwork, inputs: NDArray[Any]) -> NDArray[np.float64]:
        options = self._configuration.training.inference_options()
        result = relax(network, inputs, **options, threads=self.threads, stop_at_cycle=False)
        return np.asarray(result.readout_fields, np.float64)

    def _train(self, inputs: NDArray[Any], labels: NDArray[np.int64], run: Any) -> TrainingResult:
        times = count_passes(len(labels))
        inputs, labels = np.repeat(inputs, times, axis=0), np.repeat(labels, times)
        # A batch cannot hold more than all samples; a larger one would only take memory.
        batch_size = min(self._configuration.training.batch_size, len(labels))
        return train(
            inputs,
            labels,
            self._configuration.replace(batch_size=batch_size),
            initial=run,
            threads=self.threads,
            progress=self.verbose,
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
