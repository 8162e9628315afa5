"""Training: epochs of compiled batches, each measured; stopped and taken up again bit by bit."""

from __future__ import annotations

import copy
import hashlib
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from binnet._files import check_file, overwriting
from binnet._interrupts import DeferredInterrupt
from binnet._progress import progress_bar
from binnet._provenance import describe_run
from binnet._threads import ThreadChoice
from binnet._validation import Inputs, check_integer, to_reals
from binnet.dynamics import predict
from binnet.learning.checkpoints import (
    find_copies,
    load_best,
    load_checkpoint,
    name_best,
    name_kept,
    save_checkpoint,
)
from binnet.learning.configuration import Configuration
from binnet.learning.early_stopping import check_validation, find_best_epoch
from binnet.learning.measurement import measure_epoch
from binnet.learning.metrics import EpochMetrics
from binnet.learning.presets import preset
from binnet.learning.run import Run
from binnet.learning.samples import TRAIN_SAMPLES_MEASURED, Samples, check_samples, check_sets
from binnet.networks import BinaryNetwork


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """What training leaves.

    Attributes
    ----------
    network : BinaryNetwork
        The network as it was learned so far; with early stopping that of the best epoch so far.
    history : list of EpochMetrics
        One entry for each whole epoch.
    configuration : Configuration
        All parameters of the run.
    provenance : dict
        Version, seed, threads, CPU and packages.
    completed : bool
        False if Ctrl-C (or SIGTERM, SIGHUP) stopped the run before its end.
    run : Run
        The run itself, from which `OnlineLearner` goes on.
    best : Run
        The run whose network this is: with early stopping as it was after the best epoch, that with
        the highest accuracy on the validation set; else the run itself.
    """

    network: BinaryNetwork
    history: list[EpochMetrics]
    configuration: Configuration
    provenance: dict[str, Any]
    completed: bool
    run: Run = field(repr=False)
    best: Run = field(repr=False)


def train(
    X: ArrayLike,
    y: ArrayLike,
    configuration: Configuration | None = None,
    *,
    initial: Run | None = None,
    evaluate_on: Mapping[str, Samples] | None = None,
    threads: int | None = None,
    checkpoint: str | Path | None = None,
    keep_every: int = 0,
    overwrite: bool = False,
    on_epoch: Callable[[TrainingResult], None] | None = None,
    progress: bool = False,
) -> TrainingResult:
    """Train a binary recurrent network by local plasticity.

    Each mini-batch relaxes under the schedule of the readout feedback and then updates its weights
    (docs/model/network.md, sections 2 and 3). Ctrl-C stops after the batches at work and returns
    what has been learned; with `checkpoint` the run can be taken up again by `resume`.

    Parameters
    ----------
    X : array_like, shape (n_samples, N_in)
        Training inputs: -1 and +1, or graded (docs/model/network.md, section 1.1): uint8 pixels, of
        which 255 stands for 1, or any other finite numbers, used in single precision.
    y : array_like of int, shape (n_samples,)
        Labels 0..C-1.
    configuration : Configuration, optional
        All parameters. Default: ``preset("default")``.
    initial : Run, optional
        Run whose weights to begin with, which stays as it is; of a network of the same parameters.
        Default: weights are drawn.
    evaluate_on : mapping of str to (X, y), optional
        Sets whose accuracy is measured after each epoch, such as ``{"test": (X_test, y_test)}``.
        The accuracy on (the first 10000 of) the training samples is always measured. Early
        stopping (`patience`) looks at the set "validation", and at no other.
    threads : int, optional
        Threads to run on at most, by default as many as there are cores: it takes fewer where these
        are faster (one, where other processes keep cores busy). The result does not depend on it.
    checkpoint : path-like, optional
        File (.safetensors) to write at the start, after each epoch and when stopped.
    keep_every : int, default 0
        Epochs after which a copy of the checkpoint is kept, as "NAME-epoch-0005.safetensors", that
        of the network as drawn (epoch 0) among them. 0: none are kept. Copies beside `checkpoint`
        of a run that this one replaces are removed: they are no part of its training. With early
        stopping the best network so far is always kept, as "NAME-best.safetensors".
    overwrite : bool, default False
        Whether `checkpoint` and its copies may replace files that binnet did not write.
    on_epoch : callable, optional
        Called with the result so far after each epoch.
    progress : bool, default False
        Whether to show a progress bar.

    Returns
    -------
    TrainingResult
        The network, its history, configuration and provenance.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape or range.
    FileNotFoundError, PermissionError
        If the folder of `checkpoint` does not exist or cannot be written.
    FileExistsError, IsADirectoryError
        If `checkpoint` is a folder or a file that binnet did not write.

    Examples
    --------
    >>> data = load_entangled_mnist()
    >>> small = preset("source").replace(n_hidden=100, epochs=1)
    >>> result = train(data.X_train, data.y_train, small)  # doctest: +SKIP
    """
    configuration = configuration or preset()
    samples = check_samples("", X, y, configuration, 1)
    sets = check_sets(evaluate_on, configuration)
    check_validation(sets, configuration.training.patience)
    choice = ThreadChoice(threads)
    keep_every = _check_keeping(keep_every, checkpoint)
    if checkpoint is not None:
        for path in (checkpoint, *find_copies(checkpoint)):
            check_file(path, overwrite=overwrite)
    run = _begin(configuration, initial, len(samples[0]), _fingerprint(*samples))
    with overwriting(overwrite):
        if checkpoint is not None:  # a run that is killed in its first epoch can be resumed, too
            for path in find_copies(checkpoint):
                path.unlink()
            save_checkpoint(checkpoint, run)
        return _go_on(run, run, samples, sets, choice, checkpoint, keep_every, on_epoch, progress)


def _begin(
    configuration: Configuration, initial: Run | None, n_samples: int, fingerprint: str
) -> Run:
    if initial is None:
        return Run.start(configuration, n_samples, fingerprint)
    if configuration.network != initial.configuration.network:
        raise ValueError(
            f"initial has a network of {initial.configuration.network}, the configuration one of "
            f"{configuration.network}; they must be the same"
        )
    synapses = copy.deepcopy(initial.synapses)
    synapses.settings = configuration
    return Run(configuration, n_samples, fingerprint, synapses)


def resume(
    checkpoint: str | Path,
    X: ArrayLike,
    y: ArrayLike,
    *,
    epochs: int | None = None,
    patience: int | None = None,
    keep_every: int = 0,
    evaluate_on: Mapping[str, Samples] | None = None,
    threads: int | None = None,
    on_epoch: Callable[[TrainingResult], None] | None = None,
    progress: bool = False,
) -> TrainingResult:
    """Take up a stopped run: the end is that of a run that was never stopped, bit by bit.

    With `epochs` a finished run goes on as well. If its rates are constant, the end is that of a
    run of so many epochs, bit by bit. Rates that fall linearly depend on the number of epochs: they
    go on as in the longer run, though the epochs before were those of the shorter one.

    Parameters
    ----------
    checkpoint : path-like
        What `train` wrote; it is written on.
    X, y : array_like
        The same training samples as before.
    epochs : int, optional
        After how many epochs in all the run is to end, more than it has finished. Default: as
        before.
    patience : int, optional
        That of early stopping, longer than before: a run that has stopped early goes on, and ends
        like one that had it from the start. Default: as before.
    keep_every : int, default 0
        As for `train`.
    evaluate_on, threads, on_epoch, progress : optional
        As for `train`.

    Returns
    -------
    TrainingResult
        As of an unstopped run.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no checkpoint, it is damaged, the samples are not those of the run, `epochs` is
        another number than before and not more than it has finished, or `patience` a smaller one.
    """
    run, best = load_checkpoint(checkpoint), load_best(checkpoint)
    before = run.configuration
    run.set_epochs(epochs, patience)
    check_file(checkpoint)
    keep_every = _check_keeping(keep_every, checkpoint)
    samples = check_samples("", X, y, run.configuration, 1)
    if _fingerprint(*samples) != run.fingerprint:
        raise ValueError(
            f"these are not the training samples of {checkpoint} ({run.n_samples} samples, "
            f"fingerprint {run.fingerprint}); resume with the same X and y, in the same order"
        )
    sets = check_sets(evaluate_on, run.configuration)
    check_validation(sets, run.configuration.training.patience)
    choice = ThreadChoice(threads)
    if run.configuration != before:  # killed in its next epoch, it is the longer run all the same
        save_checkpoint(checkpoint, run)
    return _go_on(run, best, samples, sets, choice, checkpoint, keep_every, on_epoch, progress)


def _go_on(
    run: Run,
    best: Run,
    samples: tuple[Inputs, NDArray[np.int64]],
    sets: dict[str, tuple[Inputs, NDArray[np.int64]]],
    threads: ThreadChoice,
    checkpoint: str | Path | None,
    keep_every: int,
    on_epoch: Callable[[TrainingResult], None] | None,
    progress: bool,
) -> TrainingResult:
    configuration = run.configuration
    provenance = describe_run(configuration.training.seed, threads.maximum)
    measured = {"train": tuple(part[:TRAIN_SAMPLES_MEASURED] for part in samples), **sets}
    with ExitStack() as stack:
        interrupt = stack.enter_context(DeferredInterrupt())
        bar = stack.enter_context(
            progress_bar(
                total=configuration.training.epochs * run.n_samples,
                initial=run.samples_seen,
                unit=" samples",
                unit_scale=True,
                disable=not progress,
            )
        )
        _keep(run, checkpoint, keep_every)  # epoch 0, or one that a kill left without its copy
        best = _keep_best(run, best, checkpoint)
        _compile(run, samples, bar)
        while not run.finished and not interrupt.requested:
            bar.set_description(f"epoch {run.epoch + 1}/{configuration.training.epochs}", False)
            before, begun = run.samples_seen, time.perf_counter()
            run.learn_by_clock(*samples, threads)
            run.seconds += time.perf_counter() - begun
            bar.update(run.samples_seen - before)
            if run.epoch_is_complete:
                # Samples need not wait for each other: a thread more does no harm.
                metrics = measure_epoch(run, measured, threads.maximum)
                run.end_epoch(metrics)
                bar.set_postfix(
                    {name: f"{value:.4f}" for name, value in metrics.accuracy.items()}, refresh=True
                )
                if checkpoint is not None:
                    save_checkpoint(checkpoint, run)
                    _keep(run, checkpoint, keep_every)
                best = _keep_best(run, best, checkpoint)
                if on_epoch is not None:
                    on_epoch(_result(run, best, provenance))
        if checkpoint is not None and not run.finished:
            save_checkpoint(checkpoint, run)
    return _result(run, best, provenance)


def _keep(run: Run, checkpoint: str | Path | None, keep_every: int) -> None:
    """Write the copy of a checkpoint that stays, if one is due."""
    if checkpoint is not None and keep_every and run.batch == 0 and run.epoch % keep_every == 0:
        save_checkpoint(name_kept(checkpoint, run.epoch), run)


def _keep_best(run: Run, best: Run, checkpoint: str | Path | None) -> Run:
    """Return the run as it was after its best epoch, and write it where it is the last one."""
    if not run.configuration.training.patience:
        return run
    if run.batch or not run.history or find_best_epoch(run.history) != run.epoch:
        return best
    if checkpoint is not None:
        save_checkpoint(name_best(checkpoint), run)
    return copy.deepcopy(run)


def _check_keeping(keep_every: int, checkpoint: str | Path | None) -> int:
    if check_integer("keep_every", keep_every, 0) and checkpoint is None:
        raise ValueError(
            f"keep_every = {keep_every} needs checkpoint, the file beside which copies are kept"
        )
    return keep_every


def _compile(run: Run, samples: tuple[Inputs, NDArray[np.int64]], bar: Any) -> None:
    """Compile what the run uses, before the clock of learning starts; say so if it takes long."""
    from binnet_kernels._jit import telling_of_compilation

    training = run.configuration.training
    with telling_of_compilation(
        lambda: bar.set_description("compiling the kernels, once, about 10 s")
    ):
        run.compile(*samples)
        predict(
            run.relaxable(),
            to_reals(samples[0][:1]),  # a single row of pixels may look like bits
            update_order=training.update_order,
            update_probability=training.update_probability,
            threads=1,
        )
    bar.unpause()  # the estimate of the time left is that of learning


def _result(run: Run, best: Run, provenance: dict[str, Any]) -> TrainingResult:
    return TrainingResult(
        best.network(), list(run.history), run.configuration, provenance, run.finished, run, best
    )


def _fingerprint(X: Inputs, y: NDArray[np.int64]) -> str:
    digest = hashlib.sha256(X.tobytes())
    digest.update(y.tobytes())
    return digest.hexdigest()[:16]


def history_as_records(history: list[EpochMetrics]) -> list[dict[str, Any]]:
    """Return a history as plain values, as ``pandas.json_normalize`` and JSON take them.

    Parameters
    ----------
    history : list of EpochMetrics
        One entry for each epoch.

    Returns
    -------
    list of dict
        One record for each epoch.
    """
    return [asdict(metrics) for metrics in history]
