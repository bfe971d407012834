"""Our own builders write what upstream files hold.

The development environment has no TensorFlow, so these tests also show that none is needed.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import struct
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds

from efficient.data import DataError, load, prepare
from efficient.data.builders.cifar10 import Cifar10
from efficient.data.builders.mnist import FashionMnist, Mnist, read_idx
from efficient.data.builders.tiny_shakespeare import TinyShakespeare

RANDOM = np.random.RandomState(0)


def write_idx(path: Path, values: np.ndarray) -> None:
    header = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
    path.write_bytes(gzip.compress(header + values.tobytes(), mtime=0))


def prepare_from(builder_class: Any, manual_dir: Path, data_dir: Path) -> Any:
    """Prepare from files of our own making: only the table of checksums is another one."""
    infos = {}
    for path in manual_dir.iterdir():
        info = (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest(), path.name)
        url = builder_class.URL if path.name in builder_class.URL else builder_class.URL + path.name
        infos[url] = tfds.download.checksums.UrlInfo(*info)
    members = {"url_infos": infos, "name": builder_class.name, "__module__": __name__}
    cls = type(builder_class.__name__, (builder_class,), members, skip_registration=True)
    builder = cls(data_dir=data_dir)
    builder.download_and_prepare(
        download_dir=data_dir / "downloads",
        download_config=tfds.download.DownloadConfig(
            manual_dir=manual_dir, force_checksums_validation=True, try_download_gcs=False
        ),
        file_format="array_record",
    )
    return builder


@pytest.fixture
def upstream(tmp_path) -> Path:
    folder = tmp_path / "upstream"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("builder_class", [Mnist, FashionMnist])
def test_mnist_keeps_every_pixel(upstream, tmp_path, builder_class):
    data = {}
    for split, prefix, count in (("train", "train", 12), ("test", "t10k", 5)):
        images = RANDOM.randint(0, 256, (count, 28, 28)).astype(np.uint8)
        labels = np.arange(count, dtype=np.uint8) % 10
        write_idx(upstream / f"{prefix}-images-idx3-ubyte.gz", images)
        write_idx(upstream / f"{prefix}-labels-idx1-ubyte.gz", labels)
        data[split] = {
            (image.tobytes(), label) for image, label in zip(images, labels, strict=True)
        }
    builder = prepare_from(builder_class, upstream, tmp_path)
    for split, expected in data.items():
        rows = builder.as_data_source(split=split)
        assert {(row["image"].tobytes(), row["label"]) for row in rows} == expected
    assert builder.info.features["image"].shape == (28, 28, 1)


def test_cifar10_keeps_every_pixel_and_name(upstream, tmp_path):
    names = [f"kind{number}" for number in range(10)]
    files = {"batches.meta.txt": ("\n".join(names) + "\n\n").encode()}
    rows = {}
    for name in [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]:
        rows[name] = RANDOM.randint(0, 10, (3, 3073)).astype(np.uint8)
        files[name] = rows[name].tobytes()
    with tarfile.open(upstream / "cifar-10-binary.tar.gz", "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    builder = prepare_from(Cifar10, upstream, tmp_path)
    found = {row["id"].decode(): row for row in builder.as_data_source(split="train")}
    assert sorted(found) == [f"train_{number:05d}" for number in range(15)]
    row = rows["data_batch_2.bin"][1]
    assert found["train_00004"]["label"] == row[0]
    assert found["train_00004"]["image"][5, 7].tolist() == [
        row[1 + channel * 1024 + 5 * 32 + 7] for channel in range(3)
    ]
    restored = tfds.builder_from_directory(builder.data_path)
    assert restored.info.features["label"].names == names
    assert len(restored.as_data_source(split="test")) == 3


def test_tiny_shakespeare_is_cut_in_order(upstream, tmp_path):
    text = bytes(RANDOM.randint(97, 100, 201).astype(np.uint8))
    (upstream / "input.txt").write_bytes(text)
    builder = prepare_from(TinyShakespeare, upstream, tmp_path)
    parts = [builder.as_data_source(split=s)[0]["text"] for s in ("train", "validation", "test")]
    assert b"".join(parts) == text
    assert [len(part) for part in parts] == [180, 10, 11]


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_a_wrong_upstream_file_is_refused(upstream, tmp_path, name):
    for prefix in ("train", "t10k"):
        write_idx(upstream / f"{prefix}-images-idx3-ubyte.gz", np.zeros((1, 28, 28), np.uint8))
        write_idx(upstream / f"{prefix}-labels-idx1-ubyte.gz", np.zeros(1, np.uint8))
    with pytest.raises(DataError, match=f"^{name}: .*has wrong checksum: fetch the file again$"):
        prepare(name, tmp_path / "tfds", upstream)
    with pytest.raises(DataError, match="not prepared"):
        load(name, tmp_path / "tfds", tmp_path / "cache")


@pytest.mark.parametrize(
    "content", [b"\x00\x00\x0d\x01\x00\x00\x00\x01\x00", b"\x00\x00\x08\x01\x00\x00\x00\x02\x00"]
)
def test_files_that_are_not_idx_are_refused(tmp_path, content):
    (tmp_path / "file.gz").write_bytes(gzip.compress(content))
    with pytest.raises(DataError, match="fetch it again"):
        read_idx(tmp_path / "file.gz")


def test_an_archive_without_its_files_is_refused(upstream, tmp_path):
    with tarfile.open(upstream / "cifar-10-binary.tar.gz", "w:gz"):
        pass
    with pytest.raises(DataError, match=r"holds no cifar-10-batches-bin/batches\.meta\.txt"):
        prepare_from(Cifar10, upstream, tmp_path)


@pytest.mark.parametrize("builder_class", [Mnist, FashionMnist, Cifar10, TinyShakespeare])
def test_names_versions_and_checksums_are_those_of_tensorflow_datasets(builder_class):
    stock = tfds.builder_cls(builder_class.name)
    assert stock.VERSION == builder_class.VERSION
    assert stock.url_infos.items() <= builder_class.url_infos.items()


def test_tiny_shakespeare_from_the_upstream_file_is_the_stock_copy(tfds_data_dir, tmp_path):
    manual_dir = os.environ.get("EFFICIENT_MANUAL_DIR")
    if not manual_dir or not Path(manual_dir, "input.txt").is_file():
        pytest.skip("EFFICIENT_MANUAL_DIR names no folder with the upstream input.txt")
    prepare("tiny_shakespeare", tmp_path / "tfds", manual_dir)
    own = load("tiny_shakespeare", tmp_path / "tfds", tmp_path / "cache")
    stock = load("tiny_shakespeare", tfds_data_dir)
    assert own.fingerprint == stock.fingerprint
