"""Other readouts on a learned network: what its final states tell, and what its own readout takes.

The network stays as it is. Two linear classifiers are trained anew on the states that inference
ends in, where the network's own readout has learned from states that changed while it did: a local
one, by the network's own rule for W_out, and scikit-learn's logistic regression, which is neither
local nor online. They are reported beside the network's own readout and never take its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from binnet._memory import check_memory
from binnet._progress import progress_bar
from binnet._provenance import describe_run
from binnet._threads import ThreadChoice
from binnet._validation import check_choice, check_integer
from binnet.dynamics import predict, relax
from binnet.learning.configuration import Configuration
from binnet.learning.rules import Perceptron
from binnet.learning.run import Run
from binnet.learning.samples import TRAIN_SAMPLES_MEASURED, Samples, check_samples, check_sets
from binnet.networks import BLOCKS, QuantizedNetwork

#: Readouts that can be trained anew.
READOUTS = ("local", "logistic")
_MAX_ITERATIONS = 1000


@dataclass(frozen=True, eq=False)
class Readouts:
    """What `fit_readouts` returns.

    Attributes
    ----------
    accuracy : dict of str to dict of str to float
        Of each readout on each set: "own" is the network's, then those that were trained anew.
    local : Run or None
        The network with a local readout in the place of its own: ``predict(local.relaxable(), X)``.
    logistic : sklearn.linear_model.LogisticRegression or None
        Takes final states: ``logistic.predict(relax(network, X).states)``.
    settings : dict
        How they were trained.
    provenance : dict
        Version, seed, threads, CPU and packages.
    """

    accuracy: dict[str, dict[str, float]]
    local: Run | None = field(repr=False)
    logistic: Any = field(repr=False)
    settings: dict[str, Any]
    provenance: dict[str, Any] = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return accuracies, settings and provenance as plain values.

        Returns
        -------
        dict
            "accuracy", "settings" and "run".
        """
        return {"accuracy": self.accuracy, "settings": self.settings, "run": self.provenance}


def fit_readouts(
    run: Run,
    X: ArrayLike,
    y: ArrayLike,
    *,
    readouts: tuple[str, ...] = READOUTS,
    evaluate_on: Mapping[str, Samples] | None = None,
    epochs: int | None = None,
    threads: int | None = None,
    progress: bool = False,
) -> Readouts:
    """Train linear classifiers on the final states of a learned network, beside its own readout.

    The local one is the rule of docs/model/network.md, eqs. (3.2), (3.5) and (3.6), with the run's
    margin, rates, decay, batches, arithmetic and initial W_out; all other weights stay. Every
    sample is relaxed as in inference, without feedback. Under an order that draws random numbers
    each epoch draws its own. The other is scikit-learn's logistic regression with its default
    penalty, trained to its optimum.

    Parameters
    ----------
    run : Run
        The learned network, in floating point or integers: ``result.best`` of `train`, or
        `load_best`.
    X : array_like, shape (n_samples, N_in)
        Training inputs.
    y : array_like of int, shape (n_samples,)
        Labels 0..C-1.
    readouts : tuple of str, default ("local", "logistic")
        Which to train.
    evaluate_on : mapping of str to (X, y), optional
        Sets whose accuracy is measured, beside that of (the first 10000 of) the training samples.
    epochs : int, optional
        Passes of the local readout over the samples. Default: as many as the network has learned.
    threads : int, optional
        Threads to run on at most. Default: all cores.
    progress : bool, default False
        Whether to show a progress bar.

    Returns
    -------
    Readouts
        The readouts and their accuracies.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape or range.
    MemoryError
        If the states of all samples take more memory than there is.
    ImportError
        If "logistic" is asked for and scikit-learn is not installed.

    Examples
    --------
    >>> run = load_checkpoint("checkpoint.safetensors")  # doctest: +SKIP
    >>> data = load_entangled_mnist()
    >>> test = {"test": (data.X_test, data.y_test)}
    >>> found = fit_readouts(run, data.X_train, data.y_train, evaluate_on=test)  # doctest: +SKIP
    >>> found.accuracy["logistic"]["test"]  # doctest: +SKIP
    """
    for name in readouts:
        check_choice("readouts", name, READOUTS)
    samples = check_samples("", X, y, run.configuration, 1)
    sets = check_sets(evaluate_on, run.configuration)
    choice = ThreadChoice(threads)
    training = run.configuration.training
    epochs = max(1, run.epoch) if epochs is None else check_integer("epochs", epochs, 1)
    classifier = None
    if "logistic" in readouts:
        classifier = _make_logistic()
        _check_states(run, len(samples[0]))
    measured = {"train": tuple(part[:TRAIN_SAMPLES_MEASURED] for part in samples), **sets}
    options = {**training.inference_options(), "threads": choice.maximum}

    def measure(classify: Any) -> dict[str, float]:
        return {name: float((classify(X) == y).mean()) for name, (X, y) in measured.items()}

    network, local = run.relaxable(), None
    settings: dict[str, Any] = {"network_epoch": run.epoch}
    accuracy = {"own": measure(lambda X: predict(network, X, **options))}
    if "local" in readouts:
        local = _learn_readout(run, samples, epochs, choice, progress)
        settings["local"] = _describe_local(local.configuration)
        relaxable = local.relaxable()
        accuracy["local"] = measure(lambda X: predict(relaxable, X, **options))
    if classifier is not None:
        from threadpoolctl import threadpool_limits

        def find_states(X: NDArray[Any]) -> NDArray[np.float32]:
            return relax(network, X, stop_at_cycle=False, **options).states.astype(np.float32)

        with threadpool_limits(choice.maximum):
            classifier.fit(find_states(samples[0]), samples[1])
            accuracy["logistic"] = measure(lambda X: classifier.predict(find_states(X)))
        settings["logistic"] = {
            **{name: getattr(classifier, name) for name in ("C", "solver", "tol", "max_iter")},
            "iterations": int(np.max(classifier.n_iter_)),
        }
    provenance = describe_run(training.seed, choice.maximum)
    return Readouts(accuracy, local, classifier, settings, provenance)


def _learn_readout(
    run: Run, samples: tuple[Any, Any], epochs: int, choice: ThreadChoice, progress: bool
) -> Run:
    """Return a run that has learned a readout on the final states of the network of another."""
    inner = run.configuration
    settings = inner.replace(
        rule=Perceptron(),
        warmup=inner.training.inference_sweeps,  # a(t) = 0 throughout, as in inference
        feedback=inner.training.inference_sweeps,
        free=0,
        rate_couplings=0.0,
        rate_input=0.0,
        decay_couplings=0.0,
        decay_input=0.0,
        epochs=epochs,
        patience=0,
        input_noise=0.0,
        curriculum_start=1.0,
    )
    network: Any = run.relaxable()
    if isinstance(network, QuantizedNetwork):  # the fresh readout has the format of the network's
        bits = tuple(getattr(network.formats, name).fraction_bits for name in BLOCKS)
        settings = settings.replace(fraction_bits=bits)
    synapses = settings.rule.synapses(settings).start(settings)
    synapses.take_over(network)
    learner = Run(settings, len(samples[0]), run.fingerprint, synapses)
    total = epochs * learner.n_samples
    with progress_bar(
        total=total, unit=" samples", unit_scale=True, desc="local readout", disable=not progress
    ) as bar:
        while not learner.finished:
            before = learner.samples_seen
            learner.learn_by_clock(*samples, choice)
            bar.update(learner.samples_seen - before)
            if learner.epoch_is_complete:
                learner.next_epoch()
    return learner


def _describe_local(configuration: Configuration) -> dict[str, Any]:
    plasticity, training = configuration.plasticity, configuration.training
    return {
        "epochs": training.epochs,
        "batch_size": training.batch_size,
        "readout_margin": plasticity.readout_margin,
        "rate_readout": plasticity.rate_readout,
        "decay_readout": plasticity.decay_readout,
        "rate_schedule": plasticity.rate_schedule,
        "averaging": plasticity.averaging,
        "readout_targets": plasticity.readout_targets,
    }


def _make_logistic() -> Any:
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise ImportError(
            'the readout "logistic" needs scikit-learn; install it with '
            'pip install "binnet[sklearn]", or train the readout "local" alone'
        ) from error
    return LogisticRegression(max_iter=_MAX_ITERATIONS)


def _check_states(run: Run, n_samples: int) -> None:
    # int8 spins, their stabilities, and what is fitted: float32 states and a copy of them.
    check_memory(
        f"{n_samples} samples: their final states",
        13.0 * n_samples * run.configuration.network.n_neurons,
        'take fewer, or the readout "local" alone',
    )
