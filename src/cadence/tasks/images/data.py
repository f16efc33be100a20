"""Image folders as data to train on."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, final

import numpy as np

from cadence._errors import TaskError
from cadence.tasks._checks import check_place, check_split, generator, whole
from cadence.tasks.base import Batch, Data, Pin, Split
from cadence.tasks.images.crew import Crew, Ordered
from cadence.tasks.images.listing import Images
from cadence.tasks.images.preparing import Preparation

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TUNE_SEED = 2017


@final
class ImageData(Data):
    """Images that are read from their files whenever they are needed.

    Which part of an image training sees, and whether mirrored, depends on seed, epoch and image alone: not on the batch
    it is in, nor on how many processes decode.

    Args:
        train, val: the images of the two parts.
        tune: those that tuning is judged on; or how many of the training images are set aside for it, 0 for none.
        preparation: how images become arrays.
        workers: processes that decode; 0: this one does.
        ahead: batches that are decoded before they are needed.
        default_batch_size: images per batch where nothing else is asked for; also those of `held_out`.

    Raises:
        TaskError: a number out of its range.
    """

    def __init__(
        self,
        train: Images,
        val: Images,
        tune: Images | int,
        preparation: Preparation,
        *,
        workers: int,
        ahead: int,
        default_batch_size: int,
    ) -> None:
        self._images = train
        self._rows: NDArray[np.int64] = np.arange(len(train))
        self._held_out = {"val": (val, np.arange(len(val)))}
        if isinstance(tune, Images):
            self._held_out["tune"] = (tune, np.arange(len(tune)))
        elif whole(tune, "tune", least=0):
            if tune >= len(train):
                raise TaskError(f"tune is {tune}, and there are {len(train)} training images; write at most a fifth")
            # RandomState, because numpy promises that its stream never changes.
            drawn = np.random.RandomState(_TUNE_SEED).permutation(len(train))
            self._rows, aside = np.sort(drawn[tune:]), np.sort(drawn[:tune])
            self._held_out["tune"] = (train, aside)
        self._preparation = preparation
        self._workers = whole(workers, "workers", least=0)
        self._ahead = whole(ahead, "ahead", least=1)
        self._default_batch_size = min(whole(default_batch_size, "default_batch_size", least=1), len(self._rows))
        self._crew: Crew | None = None
        self._pin: Pin | None = None

    @property
    def train_examples(self) -> int:
        return len(self._rows)

    @property
    def tokens_per_example(self) -> int | None:
        return None

    @property
    def default_batch_size(self) -> int:
        return self._default_batch_size

    def batches_per_epoch(self, batch_size: int) -> int:
        return -(-self.train_examples // whole(batch_size, "a batch size", least=1))

    def batches(self, seed: int, epoch: int, batch_size: int, start: int = 0) -> Iterator[Batch]:
        return self.share(seed, epoch, batch_size, start, 1)

    def share(self, seed: int, epoch: int, batch_size: int, start: int, step: int) -> Iterator[Batch]:
        """Every `step`-th batch from number `start` on, and no other is decoded: one process's part of an epoch.

        Raises:
            TaskError: see `batches`.
        """
        check_place(seed, epoch, batch_size, start)
        order = self._rows[generator(seed, epoch, 0).permutation(len(self._rows))]
        about = {"seed": int(seed), "epoch": int(epoch)}
        return self._read(self._images, _batched(order, batch_size, start, step), about)

    def lend(self, pin: Pin) -> None:
        self._pin, self._crew = pin, None

    def held_out(self, split: Split) -> Iterator[Batch]:
        check_split(split)
        if split not in self._held_out:
            raise TaskError(
                f"there are no images for tuning beside {self._images.folder}; put some into a folder 'tune' there, or "
                f"set training images aside, e.g. task_args: {{tune: {max(1, self.train_examples // 20)}}}"
            )
        images, rows = self._held_out[split]
        return self._read(images, _batched(rows, self._default_batch_size, 0, 1), None)

    def fingerprint(self) -> str:
        parts = {"train": (self._images, self._rows), **self._held_out}
        told = hashlib.sha256(json.dumps({**self._preparation.to_json(), "pixels": ""}).encode())
        digests = {id(images): images.digest() for images, _ in parts.values()}
        for name, (images, rows) in parts.items():
            told.update(f"{name} {digests[id(images)]}\n".encode() + rows.astype("<i8").tobytes())
        return "sha256:" + told.hexdigest()

    # ---- reading -------------------------------------------------------------------------------------------------

    def _read(self, images: Images, numbers: list[NDArray[np.int64]], about: dict[str, int] | None) -> Iterator[Batch]:
        """Batches of these images. `about` is what training's random numbers depend on."""
        batches = iter(numbers)
        if not self._workers or not numbers:
            yield from (self._here(images, batch, about) for batch in batches)
            return
        crew, coming = self._crew_for(len(numbers[0])), deque[tuple[Sequence[int], Ordered]]()
        try:
            while True:
                self._order(crew, images, batches, coming, about)
                if not coming:
                    batch = next(batches, None)
                    if batch is None:
                        return
                    # All places are taken by others who do not go on, and to wait for them might be for ever.
                    yield self._here(images, batch, about)
                    continue
                batch, ordered = coming[0]
                inputs = crew.finished(ordered)
                coming.popleft()
                self._order(crew, images, batches, coming, about)
                yield _batch(inputs, images, batch)
                del inputs
        finally:
            for _, ordered in coming:
                crew.forget(ordered)

    def _order(
        self,
        crew: Crew,
        images: Images,
        batches: Iterator[NDArray[np.int64]],
        coming: deque[tuple[Sequence[int], Ordered]],
        about: dict[str, int] | None,
    ) -> None:
        """Have as many batches decoded ahead as are wanted, and as there is room for."""
        while len(coming) < self._ahead:
            place = crew.place()
            if place is None:
                return
            batch = next(batches, None)
            if batch is None:
                crew.forget(Ordered(place, 0))
                return
            numbers = batch.tolist()
            paths = [images.path(i) for i in numbers]
            coming.append((numbers, crew.order(place, paths, about or {}, None if about is None else numbers)))

    def _here(self, images: Images, batch: NDArray[np.int64], about: dict[str, int] | None) -> Batch:
        """A batch that this process decodes."""
        side = self._preparation.size
        inputs: NDArray[Any] = np.empty((len(batch), 3, side, side), dtype=self._preparation.pixels)
        for row, i in enumerate(batch.tolist()):
            if about is None:
                self._preparation.judging(images.path(i), inputs[row])
            else:
                self._preparation.training(images.path(i), about["seed"], about["epoch"], i, inputs[row])
        return _batch(inputs, images, batch.tolist())

    def _crew_for(self, rows: int) -> Crew:
        """The processes, started when they are needed first, and anew for larger batches or where one has died."""
        if self._crew is None or self._crew.rows < rows or not self._crew.alive:
            self._crew = Crew(self._workers, self._preparation, rows, self._ahead, self._pin)
        return self._crew


def _batched(rows: NDArray[np.int64], size: int, start: int, step: int) -> list[NDArray[np.int64]]:
    """The rows of every `step`-th batch from number `start` on."""
    return [rows[i : i + size] for i in range(start * size, len(rows), step * size)]


def _batch(inputs: NDArray[Any], images: Images, rows: Sequence[int]) -> Batch:
    return Batch(inputs, images.classes[np.asarray(rows)], len(rows), len(rows))
