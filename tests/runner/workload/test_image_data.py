"""Image sets of torchvision train from files in their own formats; random transforms are reproducible."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image
from torch import Tensor
from xprun.plugins import transform
from xprun.plugins.blame import Blamed, blamed_for
from xprun.plugins.datasets.images import image_set, resident, see_that_they_fit
from xprun.plugins.datasets.missing_files import MissingFilesError
from xprun.plugins.datasets.random_transforms import random_ones
from xprun.plugins.discovery import open_registry
from xprun.plugins.registry import REGISTRY
from xprun.plugins.torch_api.generate_vision import IMAGE_SETS
from xprun.runner.cli.main import main
from xprun.runner.execution.cohort_execution import execute
from xprun.runner.execution.worker_context import Context
from xprun.runner.planning.plan import Plan
from xprun.runner.resolve.build import build
from xprun.runner.workload.workload import Workload, make_workload

MakePlan = Callable[..., Plan]
Xprun = Callable[..., Result]
CPU = torch.device("cpu")

SPEC = """
[data]
name = "FashionMNIST"
batch_size = 8
[model]
layers = [{ name = "Flatten" }, { name = "Linear", in_features = 36, out_features = 3 }]
[loss]
name = "CrossEntropyLoss"
[optimizer]
name = "SGD"
lr = { grid = [0.1, 0.2] }
[run]
epochs = 2
seeds = 2
metrics = ["accuracy"]
"""
FAKE = SPEC.replace('"FashionMNIST"', '"FakeData"\nsize = 30\nimage_size = [1, 6, 6]\nnum_classes = 3\nvalid = 0.2')
FLIPS = FAKE.replace(
    "batch_size = 8",
    'batch_size = 8\ntransforms = [{ name = "RandomHorizontalFlip" }, { name = "RandomCrop", size = 6, padding = 1 }]',
)


@pytest.fixture(autouse=True)
def _stand_in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "xprun.runner.execution.cohort_execution._latest", {}
    )  # a process stands in one folder for all its life


@pytest.fixture
def xprun() -> Xprun:
    return lambda *arguments: CliRunner().invoke(main, [str(a) for a in arguments])


def write_idx(path: Path, numbers: Tensor) -> None:
    """Write uint8 numbers in the format of MNIST: a magic number that counts the axes, their lengths, the bytes."""
    header = struct.pack(f">{1 + numbers.dim()}i", 0x800 + numbers.dim(), *numbers.shape)
    path.write_bytes(header + numbers.numpy().tobytes())


def write_fashion_mnist(rows: int = 40, tests: int = 10, side: int = 6) -> dict[str, Tensor]:
    """Write images whose class is how bright they are; return the pixels by file name."""
    folder = Path("data/FashionMNIST/raw")
    folder.mkdir(parents=True)
    pixels = {}
    for part, count in (("train", rows), ("t10k", tests)):
        labels = torch.arange(count).remainder(3)
        noise = torch.randint(0, 40, (count, side, side), generator=torch.Generator().manual_seed(count))
        pixels[part] = (noise + 80 * labels.view(-1, 1, 1)).byte()
        write_idx(folder / f"{part}-images-idx3-ubyte", pixels[part])
        write_idx(folder / f"{part}-labels-idx1-ubyte", labels.byte())
    return pixels


def write_folder(root: str, count: int, size: tuple[int, int] = (6, 6)) -> None:
    """Write PNGs of two classes: red ones and blue ones."""
    for k, name in enumerate(("blue", "red")):
        Path(root, name).mkdir(parents=True)
        for i in range(count):
            colour = (200 + i, 0, 0) if k else (0, 0, 200 + i)
            Image.new("RGB", size, colour).save(Path(root, name, f"{i}.png"))


def workload(plan: MakePlan, text: str, *sets: str) -> Workload:
    return make_workload(REGISTRY, plan(text, *sets).runs[0], CPU)


# --- files in their own formats


def test_fashion_mnist_files_train_with_their_own_test_images_held_out(xprun: Xprun, write: Any) -> None:
    write_fashion_mnist()
    done = xprun(write(SPEC), "--set", "run.epochs=60")
    assert done.exit_code == 0, done.stderr
    results = pd.read_csv("runs/spec/results.csv")
    assert results["status"].tolist() == ["done"] * 4
    assert results["final.test.accuracy"].min() > 0.9
    assert results["final.valid.accuracy"].min() > 0.7


def test_a_spec_that_does_not_say_what_chooses_is_told_that_it_is_no_longer_the_test_images(
    xprun: Xprun, write: Any
) -> None:
    write_fashion_mnist()
    told = xprun(write(SPEC)).stderr
    assert told.count("note: FashionMNIST: its official test images are now reported as test.*") == 1
    assert "official test images" not in xprun(write(SPEC), "--set", "data.valid=0.1").stderr


CHOOSING = SPEC.replace("batch_size = 8", "batch_size = 8\nvalid = 0.25").replace(
    "epochs = 2", 'epochs = 6\nsave = "best"\nstop = { patience = { evaluations = 2, metric = "valid.accuracy" } }'
)


def test_nothing_is_chosen_by_the_test_images(xprun: Xprun, write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = write_fashion_mnist()
    assert xprun(write(CHOOSING), "-o", "first").exit_code == 0
    write_idx(Path("data/FashionMNIST/raw/t10k-images-idx3-ubyte"), 255 - pixels["t10k"])  # the bright are dark
    monkeypatch.setattr("xprun.runner.execution.cohort_execution._latest", {})  # as another process reads them
    done = xprun(write(CHOOSING), "-o", "second")
    assert done.exit_code == 0, done.stderr
    first, second = (pd.read_csv(f"{folder}/results.csv") for folder in ("first", "second"))
    reported = [name for name in first if ".test." in name]
    assert {"final.test.loss", "checkpoint.test.accuracy"} < set(reported)
    assert not [name for name in reported if name.startswith("best.")]
    pd.testing.assert_frame_equal(*(table.drop(columns=[*reported, "seconds"]) for table in (first, second)))
    for name in reported:
        assert not first[name].equals(second[name]), name
    states = [torch.load(next(Path(f, "checkpoints").glob("*.pt")), weights_only=True) for f in ("first", "second")]
    assert all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())


def test_the_test_images_may_choose_which_is_recorded(xprun: Xprun, write: Any) -> None:
    write_fashion_mnist()
    assert xprun(write(SPEC), "--set", "data.valid=test").exit_code == 0
    assert not [name for name in pd.read_csv("runs/spec/results.csv") if ".test." in name]
    comparison = json.loads(Path("runs/spec/tables.json").read_text(encoding="utf-8"))["comparison"]
    assert (comparison["chosen_on_test"], comparison["metric"]) == (True, "valid.accuracy")
    assert "reported" not in comparison
    both = xprun("check", write(SPEC), "--set", "data.valid=test", "--set", "data.test=test")
    assert 'data.test: is "test", as valid is: the rows that choose cannot be reported, too' in both.stderr


def test_pixels_are_scaled_to_1_and_kept_as_a_tensor(plan: MakePlan) -> None:
    pixels = write_fashion_mnist()
    work = workload(plan, SPEC, "data.valid=0")
    assert torch.equal(work.train.inputs, pixels["train"].unsqueeze(1).float() / 255)
    assert work.test is not None
    assert torch.equal(work.test.inputs, pixels["t10k"].unsqueeze(1).float() / 255)
    assert work.train.targets.tolist() == [i % 3 for i in range(40)]


def test_a_share_of_the_training_images_may_be_held_out_instead_or_none(plan: MakePlan) -> None:
    write_fashion_mnist()
    work = workload(plan, SPEC, "data.valid=0.25")
    assert work.valid is not None
    assert (len(work.train), len(work.valid)) == (30, 10)
    assert workload(plan, SPEC, "data.valid=0").valid is None
    work = workload(plan, SPEC)
    assert work.valid is not None
    assert work.test is not None
    assert (len(work.train), len(work.valid), len(work.test)) == (36, 4, 10)


FOLDER = SPEC.replace('"FashionMNIST"', '"ImageFolder"\nroot = "pets/train"\nvalid = "pets/val"').replace("36", "108")


def test_folders_of_images_train(xprun: Xprun, write: Any) -> None:
    write_folder("pets/train", 12)
    write_folder("pets/val", 4)
    done = xprun(write(FOLDER), "--set", "run.epochs=15")
    assert done.exit_code == 0, done.stderr
    assert pd.read_csv("runs/spec/results.csv")["final.valid.accuracy"].min() == 1


@pytest.mark.parametrize("part", ["train", "val"])
def test_another_image_in_a_folder_makes_other_runs(part: str, plan: MakePlan) -> None:
    write_folder("pets/train", 2)
    write_folder("pets/val", 2)
    before = plan(FOLDER).runs[0].id
    assert plan(FOLDER).runs[0].id == before
    Image.new("RGB", (8, 6)).save(f"pets/{part}/red/another.png")
    assert plan(FOLDER).runs[0].id != before


def test_images_that_change_while_a_grid_runs_are_told(plan: MakePlan) -> None:
    write_folder("pets/train", 2)
    write_folder("pets/val", 2)
    planned = plan(FOLDER)
    Image.new("RGB", (8, 6)).save("pets/val/red/another.png")
    with pytest.raises(MissingFilesError, match="files in pets/val changed while the grid was running; run it again"):
        make_workload(REGISTRY, planned.runs[0], torch.device("cpu"))


def test_images_of_different_sizes_need_a_resize(plan: MakePlan) -> None:
    write_folder("pets/train", 2)
    write_folder("pets/val", 2, size=(9, 7))
    Image.new("RGB", (5, 8)).save("pets/train/red/other.png")
    with pytest.raises(
        ValueError, match=r"the images of ImageFolder differ in shape, \[3, 6, 6\] and \[3, 8, 5\]; make them one size"
    ):
        workload(plan, FOLDER)
    text = FOLDER.replace("batch_size = 8", 'batch_size = 8\ntransforms = [{ name = "Resize", size = [6, 6] }]')
    work = workload(plan, text)
    assert work.valid is not None
    assert (work.train.inputs.shape, work.valid.inputs.shape) == ((5, 3, 6, 6), (4, 3, 6, 6))


def test_held_out_folders_need_the_classes_of_the_training_ones(plan: MakePlan) -> None:
    write_folder("pets/train", 2)
    write_folder("pets/val", 2)
    Path("pets/val/blue").rename("pets/val/cyan")
    with pytest.raises(ValueError, match="different classes: only one of them has 'blue', 'cyan'"):
        workload(plan, FOLDER)


def test_a_set_of_files_with_a_split_of_its_own(plan: MakePlan) -> None:
    training, test = Path("data/gtsrb/GTSRB/Training"), Path("data/gtsrb/GTSRB/Final_Test/Images")
    for label in range(3):
        (training / f"{label:05}").mkdir(parents=True)
        for i in range(3):
            Image.new("RGB", (6, 6), (80 * label, i, 0)).save(training / f"{label:05}" / f"{i}.ppm")
    test.mkdir(parents=True)
    Image.new("RGB", (6, 6), (160, 0, 0)).save(test / "a.ppm")
    Path("data/gtsrb/GT-final_test.csv").write_text("Filename;ClassId\na.ppm;2\n", encoding="utf-8")
    work = workload(plan, SPEC.replace("FashionMNIST", "GTSRB"))
    assert work.valid is not None
    assert sorted([*work.train.targets.tolist(), *work.valid.targets.tolist()]) == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert work.test is not None
    assert (len(work.valid), work.test.targets.tolist()) == (1, [2])


class Kept:
    """A set that keeps its pixels as an array of some layout, as those of torchvision do."""

    def __init__(self, data: Any, labels: list[int], images: list[Image.Image]) -> None:
        self.data, self.targets, self.images = data, labels, images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> tuple[Image.Image, int]:
        return self.images[i], self.targets[i]


@pytest.mark.parametrize("layout", ["NHWC", "NCHW", "NHW"])
def test_pixels_that_a_set_keeps_are_taken_as_they_are_if_they_are_its_images(layout: str) -> None:
    channels = [1] if layout == "NHW" else [3]
    pixels = torch.randint(0, 256, (5, *channels, 4, 6), generator=torch.Generator().manual_seed(0)).byte()
    arrays = pixels.permute(0, 2, 3, 1).squeeze(3).numpy()
    images = [Image.fromarray(array) for array in arrays]
    data = pixels.numpy() if layout == "NCHW" else arrays
    found = resident(Kept(data, [0, 1, 2, 3, 4], images))
    assert found is not None
    assert torch.equal(found[0], pixels)
    assert resident(Kept(data[::-1].copy(), [0, 1, 2, 3, 4], images)) is None
    assert resident(Kept(data[:, :2], [0, 1, 2, 3, 4], images)) is None
    assert resident(Kept(data.astype("float32"), [0, 1, 2, 3, 4], images)) is None


# --- files that are not there


def test_absent_files_are_one_message_and_are_looked_for_again(xprun: Xprun, write: Any) -> None:
    missing = xprun(write(SPEC))
    assert missing.exit_code == 1
    assert missing.stderr.count("failed:") == 1
    help_text = "no files in data/FashionMNIST/raw; set data.download = true, or put them there"
    assert f"failed: MissingFilesError: FashionMNIST: {help_text}\n" in missing.stderr
    assert "Traceback" not in missing.stderr
    write_fashion_mnist()
    found = xprun(write(SPEC))
    assert found.exit_code == 0, found.stderr
    assert "0 cached, 4 to run" in found.stderr


def test_an_absent_network_is_one_message(xprun: Xprun, write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from urllib.error import URLError
    from urllib.request import OpenerDirector

    def offline(*_: Any, **__: Any) -> None:
        raise URLError("Name or service not known")

    monkeypatch.setattr(OpenerDirector, "open", offline)
    missing = xprun(write(SPEC), "--set", "data.download=true")
    assert missing.exit_code == 1
    assert missing.stderr.count("failed:") == 1
    told = "FashionMNIST: its files cannot be downloaded; put them in data/FashionMNIST/raw by hand"
    assert told in missing.stderr
    assert "Name or service not known" in missing.stderr
    assert "Traceback" not in missing.stderr


def test_an_absent_folder_of_images_has_nothing_to_download(xprun: Xprun, write: Any) -> None:
    missing = xprun(write(FOLDER))
    assert "MissingFilesError: ImageFolder: no files in pets/train; put them there\n" in missing.stderr
    Path("pets/train/red").mkdir(parents=True)
    empty = xprun(write(FOLDER))
    assert "put them there (Found no valid file for the classes red." in empty.stderr


# --- transforms


@pytest.fixture
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        yield


RANDOM = {
    "AugMix", "AutoAugment", "ColorJitter", "ElasticTransform", "GaussianBlur", "GaussianNoise", "RandAugment",
    "ScaleJitter", "TrivialAugmentWide",
}  # fmt: skip
NEEDED: dict[str, dict[str, Any]] = {
    "CenterCrop": {"size": 4}, "ColorJitter": {"brightness": 0.5}, "GaussianBlur": {"kernel_size": 3},
    "Normalize": {"mean": [0.5] * 3, "std": [0.5] * 3}, "Pad": {"padding": 1}, "Resize": {"size": [4, 4]},
    "RandomAdjustSharpness": {"sharpness_factor": 2.0}, "RandomAffine": {"degrees": 10}, "RandomCrop": {"size": 24},
    "RandomPosterize": {"bits": 4}, "RandomResize": {"min_size": 4, "max_size": 6}, "RandomRotation": {"degrees": 10},
    "RandomResizedCrop": {"size": 4}, "RandomShortestSize": {"min_size": 4}, "RandomSolarize": {"threshold": 0.5},
    "ScaleJitter": {"target_size": (24, 24), "scale_range": (0.8, 1.2)},
}  # fmt: skip


NEEDED |= {
    name: {"transforms": [{"name": "RGB"}, {"name": "Grayscale"}]}
    for name in ("RandomApply", "RandomChoice", "RandomOrder")
}


@pytest.mark.usefixtures("_seeded")
@pytest.mark.parametrize("name", [c.name for c in open_registry().components("transform")])
def test_every_transform_by_name_is_known_to_be_random_or_not(name: str) -> None:
    made = build(REGISTRY, "transform", name, NEEDED.get(name, {}))
    image = torch.rand(3, 24, 24)
    assert random_ones([made], image) == [name.startswith("Random") or name in RANDOM]


DROPOUT = FLIPS.replace('{ name = "Flatten" },', '{ name = "Flatten" }, { name = "Dropout", p = 0.5 },')


@pytest.mark.parametrize("text", [FLIPS, DROPOUT])
@pytest.mark.parametrize(("engine", "together"), [("together", 4), ("alone", 1)])
def test_random_transforms_train_reproducibly(plan: MakePlan, engine: str, together: int, text: str) -> None:
    def losses(*sets: str) -> dict[str, list[float]]:
        [cohort] = plan(text, "run.dtype=float64", *sets).cohorts(set())
        outcomes = [o for part in execute(cohort, Context("cpu")) for o in part]
        assert {o.status for o in outcomes} == {"done"}
        assert {o.together for o in outcomes} == {together if f"run.engine={engine}" in sets else 1}
        return {o.run: o.history["loss"].values.tolist() for o in outcomes}

    once, again, alone = (losses(f"run.engine={way}") for way in (engine, engine, "alone"))
    assert once == again
    for run, values in once.items():
        assert values == pytest.approx(alone[run], rel=1e-9)


def test_worker_processes_change_nothing_and_are_no_part_of_a_run(plan: MakePlan) -> None:
    plain, helped = plan(FLIPS), plan(FLIPS, "data.num_workers=1")
    assert [run.id for run in plain.runs] == [run.id for run in helped.runs]
    assert [run.id for run in plain.runs] == [run.id for run in plan(FLIPS, "data.num_workers=2").runs]
    ways = [make_workload(REGISTRY, p.runs[0], CPU).feed.alone(3) for p in (plain, helped)]
    for (x, y), (other_x, other_y) in zip(*(islice(way, 7) for way in ways), strict=True):
        assert torch.equal(x, other_x)
        assert torch.equal(y, other_y)


def test_rows_come_in_the_order_of_the_resident_ones_and_look_different_each_epoch(plan: MakePlan) -> None:
    plain, changed = workload(plan, FAKE), workload(plan, FLIPS)
    assert torch.equal(plain.train.inputs, changed.train.inputs)  # measured without a flip
    seen: dict[int, list[Tensor]] = {}
    order, other = list(islice(plain.feed.alone(1), 6)), list(islice(changed.feed.alone(1), 6))
    for (x, y), (flipped, z) in zip(order, other, strict=True):
        assert torch.equal(y, z)
        assert flipped.shape == x.shape
        for row, now in zip(x, flipped, strict=True):
            index = int((plain.train.inputs == row).flatten(1).all(1).nonzero())
            seen.setdefault(index, []).append(now)
    assert {len(looks) for looks in seen.values()} == {2}
    assert sum(torch.equal(*looks) for looks in seen.values()) < len(seen) / 2


def test_transforms_that_draw_nothing_are_applied_once_and_to_held_out_rows(plan: MakePlan) -> None:
    calls = []

    @transform("invert")
    def invert(image: Tensor, *, top: float = 1.0) -> Tensor:
        calls.append(image)
        return top - image

    text = FAKE.replace("batch_size = 8", 'batch_size = 8\ntransforms = [{ name = "invert", top = 2.0 }]')
    work, plain = workload(plan, text), workload(plan, FAKE)
    assert work.train.augmentation is None
    assert torch.equal(work.train.inputs, 2 - plain.train.inputs)
    assert work.valid is not None
    assert plain.valid is not None
    assert torch.equal(work.valid.inputs, 2 - plain.valid.inputs)
    before = len(calls)
    list(islice(work.feed.alone(0), 9))
    assert len(calls) == before


def test_a_random_crop_needs_measured_rows_of_its_size(plan: MakePlan) -> None:
    text = FAKE.replace("batch_size = 8", 'transforms = [{ name = "RandomCrop", size = 4 }]')
    with pytest.raises(ValueError, match=r"augmented images have the shape \[1, 4, 4\], and the evaluation images \["):
        workload(plan, text)
    cropped = 'transforms = [{ name = "RandomCrop", size = 4 }, { name = "CenterCrop", size = 4 }]'
    assert workload(plan, FAKE.replace("batch_size = 8", cropped)).train.inputs.shape == (24, 1, 4, 4)


def test_nested_transforms_and_wrong_ones(plan: MakePlan) -> None:
    nested = 'transforms = [{ name = "RandomApply", transforms = [{ name = "RandomInvert", p = 1.0 }], p = 1.0 }]'
    work = workload(plan, FAKE.replace("batch_size = 8", nested))
    x, _ = next(work.feed.alone(0))
    order = next(workload(plan, FAKE.replace("batch_size = 8", "")).feed.alone(0))[0]
    assert torch.allclose(x, 1 - order)
    with pytest.raises(Exception, match="there is no transform named 'RandomCorp'; did you mean 'RandomCrop'"):
        plan(FAKE.replace("batch_size = 8", 'transforms = [{ name = "RandomCorp" }]'))
    with pytest.raises(ValueError, match="use the transform Normalize"):
        workload(plan, FLIPS, "data.standardise=true")


# --- what the command line tells


def test_describe_shows_settings_defaults_and_source(xprun: Xprun) -> None:
    told = xprun("describe", "FashionMNIST").stdout
    for words in (
        "torchvision.datasets",
        "https://github.com/zalandoresearch/fashion-mnist",
        "root         string; default 'data'",
        "download     boolean; default False",
        "valid        0 <= x <= 1 or 'test'; default 0.1",
        "test         0 <= x <= 1 or 'test'; default 'test'",
        "transforms   list of transform components; default []",
    ):
        assert words in told
    assert "RandomCrop" in xprun("ls", "transform").stdout
    listed = xprun("ls", "data").stdout
    assert all(name in listed for name in (*IMAGE_SETS, "csv", "iris", "polynomial"))


@pytest.mark.parametrize("name", [name for name in IMAGE_SETS if name != "FakeData"])
def test_every_image_set_says_what_it_lacks(name: str) -> None:
    needed = {"EMNIST": {"split": "letters"}}.get(name, {})
    known = REGISTRY.find("data", name).settings.values()
    defaults = {setting.name: setting.typed_default for setting in known if not setting.required}
    with pytest.raises(MissingFilesError, match=f"{name}: no files in data"):
        image_set(name, **defaults, **needed)


# --- transforms that do not fit the images


def broadcasting(size: int) -> Any:
    from torchvision.transforms.v2 import Normalize

    return Normalize([0.5] * size, [0.25] * size)


@pytest.mark.parametrize(("channels", "means"), [(1, 3), (1, 2), (3, 2)])
def test_means_that_are_not_one_for_each_channel_are_refused(channels: int, means: int) -> None:
    with pytest.raises((ValueError, RuntimeError)) as caught:
        see_that_they_fit([lambda image: image, broadcasting(means)], torch.rand(channels, 8, 8))
    blamed = blamed_for(caught.value)
    assert blamed is not None
    assert (blamed.section, blamed.inside) == ("data", ("transforms", 1))
    assert blamed.what.startswith(("Normalize makes", "Normalize fails on"))
    see_that_they_fit([broadcasting(channels), broadcasting(1)], torch.rand(channels, 8, 8))


def test_the_images_of_a_file_are_asked_where_no_name_tells_their_shape() -> None:
    from torchvision.transforms.v2 import Grayscale, RandomCrop

    see_that_they_fit([Grayscale(3), broadcasting(3)], torch.rand(1, 8, 8))
    with pytest.raises(ValueError, match="larger than input image size") as caught:
        see_that_they_fit([RandomCrop(9)], torch.rand(1, 8, 8))
    assert blamed_for(caught.value) == Blamed("data", ("transforms", 0), "RandomCrop fails on an image [1, 8, 8]")
    before = torch.get_rng_state()
    see_that_they_fit([RandomCrop(4)], torch.rand(1, 8, 8, generator=torch.Generator()))
    assert torch.equal(before, torch.get_rng_state())


# --- files as they are published, and the names of classes


def pack(folder: Path) -> None:
    """Pack the files of a folder, as MNIST and its like are published."""
    for file in list(folder.iterdir()):
        file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()


@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST", "KMNIST"])
def test_packed_files_are_unpacked(name: str) -> None:
    pixels = write_fashion_mnist()
    Path("data/FashionMNIST").rename(f"data/{name}")
    folder = Path("data", name, "raw")
    pack(folder)
    table = image_set(name, root="data", valid=0.1, test="test", download=False)
    assert torch.equal((table.one_tensor[:, 0] * 255).round().byte(), pixels["train"])
    assert sorted(file.suffix for file in folder.iterdir()) == [""] * 4 + [".gz"] * 4
    image_set(name, root="data", valid=0.1, test="test", download=False)


def test_a_packed_file_that_is_damaged_is_named() -> None:
    write_fashion_mnist()
    folder = Path("data/FashionMNIST/raw")
    pack(folder)
    packed = folder / "train-images-idx3-ubyte.gz"
    packed.write_bytes(packed.read_bytes()[:50])
    with pytest.raises(MissingFilesError, match=r"train-images-idx3-ubyte.gz is damaged: .*; put it there again"):
        image_set("FashionMNIST", root="data", download=False)
    assert not [file for file in folder.iterdir() if file.name.startswith(".")]


def test_sets_tell_the_names_of_their_classes() -> None:
    write_fashion_mnist()
    assert image_set("FashionMNIST", root="data", download=False).class_names[7] == "Sneaker"
    write_folder("pictures", 3)
    assert image_set("ImageFolder", root="pictures").class_names == ("blue", "red")
    assert build(REGISTRY, "data", "iris", {}).class_names == ("setosa", "versicolor", "virginica")
    assert build(REGISTRY, "data", "breast_cancer", {}).class_names == ("malignant", "benign")


def test_predictions_call_classes_by_their_names(xprun: Xprun) -> None:
    write_folder("pictures", 8)
    text = (
        SPEC.replace('"FashionMNIST"', '"ImageFolder"\nroot = "pictures"\nvalid = 0.25')
        .replace("= 36", "= 108")
        .replace("out_features = 3", "out_features = 2")
    )
    Path("folder.toml").write_text(text.replace("[run]", '[run]\nsave = "last"'), encoding="utf-8")
    assert xprun("folder.toml", "-q").exit_code == 0
    run = pd.read_csv("runs/folder/results.csv")["run"][0]
    xprun("predict", "runs/folder", run, "-o", "found.csv")
    found = pd.read_csv("found.csv")
    assert set(found["target"]) | set(found["prediction"]) <= {"blue", "red"}
    assert [*found.columns] == ["row", "target", "prediction", "p[blue]", "p[red]"]
