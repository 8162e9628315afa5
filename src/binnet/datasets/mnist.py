"""The raw MNIST images: found in a local folder or in the user's cache, or downloaded on request.

Every file is compared with a recorded SHA-256 before it is used, wherever it comes from. The
check is on the uncompressed content, since copies of MNIST differ in how they were compressed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .idx import DataFileError, parse_idx, read_unpacked

ENVIRONMENT_VARIABLE = "BINNET_MNIST_DIR"
_LARGEST = 2**26  # bytes; the images of the training set are 47 million
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "http://yann.lecun.com/exdb/mnist/",
)


class MnistFile(NamedTuple):
    """Name of one of the four files and SHA-256 of its uncompressed content."""

    name: str
    sha256: str

    @property
    def local_names(self) -> tuple[str, ...]:
        """Names under which people keep the file.

        Returns
        -------
        tuple of str
            With - or . before idx, with or without .gz.
        """
        names = (self.name, self.name.replace("-idx", ".idx"))
        return tuple(name + suffix for name in names for suffix in ("", ".gz"))


FILES = (
    MnistFile(
        "train-images-idx3-ubyte",
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    MnistFile(
        "train-labels-idx1-ubyte",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    MnistFile(
        "t10k-images-idx3-ubyte",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    MnistFile(
        "t10k-labels-idx1-ubyte",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
)


class Mnist(NamedTuple):
    """The raw data set: images as rows of 784 uint8 pixels, labels as int64 in 0..9."""

    images_train: NDArray[np.uint8]
    labels_train: NDArray[np.int64]
    images_test: NDArray[np.uint8]
    labels_test: NDArray[np.int64]


def load_mnist(
    data_dir: str | os.PathLike[str] | None = None,
    download: bool = False,
    *,
    mirrors: Sequence[str] = MIRRORS,
) -> Mnist:
    """Load the raw MNIST images and labels [1]_.

    The four IDX files are looked for in `data_dir` if it is given, else in the folder named by
    the environment variable ``BINNET_MNIST_DIR`` and then in the user's cache folder. They may
    be gzip-compressed or not.

    Parameters
    ----------
    data_dir : path-like, optional
        Folder of the four files, e.g. ``train-images-idx3-ubyte.gz``.
    download : bool, default False
        Whether a file that was not found may be downloaded, into `data_dir` if it is given, else
        into the user's cache folder. Without it the network is never touched.
    mirrors : sequence of str
        Web folders that are tried in turn.

    Returns
    -------
    Mnist
        Named tuple (images_train, labels_train, images_test, labels_test): uint8 images of
        shapes (60000, 784) and (10000, 784) with pixels 0..255, int64 labels of shapes (60000,)
        and (10000,).

    Raises
    ------
    FileNotFoundError
        If a file is missing and `download` is false.
    DataFileError
        If a file is damaged, or is not the original one, and `download` is false.
    ConnectionError
        If no mirror gave an intact file. The message lists what each of them answered.

    References
    ----------
    .. [1] Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to
       document recognition", Proceedings of the IEEE 86 (1998) 2278-2324.

    Examples
    --------
    >>> mnist = load_mnist(download=True)  # doctest: +SKIP
    >>> mnist.images_train.shape  # doctest: +SKIP
    (60000, 784)
    """
    folders = _search_folders(data_dir)
    images_train, labels_train, images_test, labels_test = (
        parse_idx(_load_file(file, folders, download, mirrors), file.name) for file in FILES
    )
    return Mnist(
        images_train.reshape(len(images_train), -1),
        labels_train.astype(np.int64),
        images_test.reshape(len(images_test), -1),
        labels_test.astype(np.int64),
    )


def _search_folders(data_dir: str | os.PathLike[str] | None) -> list[Path]:
    """Return the folders to look into, in order; downloads go into the last one."""
    if data_dir is not None:
        return [Path(data_dir).expanduser()]
    import pooch  # here, so that `import binnet` stays quick

    from_user = os.environ.get(ENVIRONMENT_VARIABLE)
    cache = Path(pooch.os_cache("binnet")) / "mnist"
    return [Path(from_user).expanduser(), cache] if from_user else [cache]


def _load_file(
    file: MnistFile, folders: Sequence[Path], download: bool, mirrors: Sequence[str]
) -> bytes:
    """Return the verified, uncompressed content of the first intact copy of `file`."""
    damaged = []
    for path in (folder / name for folder in folders for name in file.local_names):
        if path.is_file():
            try:
                return _read_verified(path, file)
            except DataFileError as error:
                damaged.append(str(error))
    if download:
        return _read_verified(download_file(file, folders[-1], mirrors), file)
    remedy = (
        f"Pass data_dir= or set {ENVIRONMENT_VARIABLE} to a folder with the four original MNIST "
        "files, or pass download=True."
    )
    if damaged:
        raise DataFileError("; ".join(damaged) + f". {remedy}")
    raise FileNotFoundError(
        f"the MNIST file {file.name} (or {file.name}.gz) is not in "
        f"{' or '.join(str(folder) for folder in folders)}. {remedy}"
    )


def _read_verified(path: Path, file: MnistFile) -> bytes:
    content = read_unpacked(path, _LARGEST)
    found = hashlib.sha256(content).hexdigest()
    if found != file.sha256:
        raise DataFileError(
            f"{path}: not the original MNIST file, or damaged: the SHA-256 of its {len(content)} "
            f"uncompressed bytes is {found}, expected {file.sha256} (Fashion-MNIST and others "
            "share these file names)"
        )
    return content


def download_file(file: MnistFile, folder: Path, mirrors: Sequence[str] = MIRRORS) -> Path:
    """Download one file from the first mirror that has it intact; keep it uncompressed.

    Parameters
    ----------
    file : MnistFile
        Name, to which ``.gz`` is added for the download, and SHA-256 of the uncompressed content.
    folder : Path
        Where the file is kept; created if needed. A damaged file there is replaced.
    mirrors : sequence of str
        Web folders that are tried in turn.

    Returns
    -------
    Path
        The uncompressed file in `folder`.

    Raises
    ------
    ConnectionError
        If no mirror gave an intact file; nothing is kept then.
    """
    import pooch

    def fetch_unpacked(url: str, output_file: str, _pooch: object) -> None:
        # pooch compares the checksum after this step, so it is that of the uncompressed file.
        pooch.HTTPDownloader(chunk_size=2**16, timeout=30)(url, output_file, None)
        Path(output_file).write_bytes(read_unpacked(output_file, _LARGEST))

    answers = []
    for mirror in mirrors:
        url = f"{mirror.rstrip('/')}/{file.name}.gz"
        try:
            path = pooch.retrieve(
                url,
                known_hash=f"sha256:{file.sha256}",
                fname=file.name,
                path=folder,
                downloader=fetch_unpacked,
            )
        except (OSError, ValueError) as error:  # requests' errors are OSErrors
            answers.append(f"  {url}: {error}")
        else:
            return Path(path)
    raise ConnectionError(
        f"no mirror gave an intact {file.name}.gz, nothing was kept in {folder}:\n"
        + "\n".join(answers or ["  (the list of mirrors is empty)"])
        + "\nTry again later, or get the four original MNIST files in another way and pass their "
        f"folder as data_dir= or in {ENVIRONMENT_VARIABLE}."
    )
