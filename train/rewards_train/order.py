"""The order of prompts in an epoch, the same whether or not a run was interrupted."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from trl.trainer.utils import RepeatSampler


class EpochOrder(RepeatSampler):
    """TRL's sampler, seeded again for every epoch from seed and epoch.

    TRL's own goes on drawing from one generator, whose state is in no checkpoint: resumed after the first epoch it would
    give the prompts in another order.
    """

    def __init__(self, *args: Any, epoch: Callable[[], int], **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._epoch = epoch

    def __iter__(self) -> Generator[int]:
        if self.shuffle:
            self.generator.manual_seed(1_000_003 * (self.seed or 0) + self._epoch())
        yield from super().__iter__()  # type: ignore[no-untyped-call]  # of TRL


def keep_order(trainer: Any) -> None:
    """Make a GRPO or RLOO trainer draw its prompts in an order that depends on seed and epoch alone."""

    def epoch() -> int:
        return int((trainer.state.epoch or 0) + 1e-6)  # a whole number at the start of an epoch

    def sampler(dataset: Any = None) -> EpochOrder:
        args = trainer.args
        return EpochOrder(
            data_source=dataset if dataset is not None else trainer.train_dataset,
            mini_repeat_count=trainer.num_generations,
            batch_size=args.generation_batch_size // trainer.num_generations,
            repeat_count=trainer.num_iterations * args.steps_per_generation,
            shuffle=trainer.shuffle_dataset,
            seed=args.seed,
            epoch=epoch,
        )

    trainer._get_train_sampler = sampler  # where the trainers look for their sampler
