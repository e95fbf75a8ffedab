"""What the framework costs: fit time of MiniBach by the experiment over a hand-written loop.

Both train the same network on the same tensors for the same updates and validate once an epoch
with the negative log-likelihood; the experiment also logs to metrics.csv and writes checkpoints.
The experiment computes without denormal numbers, which a script does not unless it asks for it, so
the loop is measured twice: as one would write it, and in the experiment's arithmetic.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import torch
from measure import in_turn, median_ratio, write
from torch import nn
from torch.nn import functional as F

import partimento
from partimento.apps.composition import compose_request
from partimento.building import build
from partimento.data.loader import epoch_order
from partimento.data.module import MusicDataModule
from partimento.runs.arithmetic import cpu_arithmetic
from partimento.seeds import seed_global

EPOCHS = 6
BATCH = 128
THREADS = 2
OVERRIDES = (
    f"trainer.max_epochs={EPOCHS}",
    f"trainer.batch_size={BATCH}",
    "trainer.patience=null",
    "trainer.progress_bar=false",
    f"accelerator.threads={THREADS}",
    "accelerator=cpu",
    "logger=csv",
    "diagnostics=none",
)


def experiment(seed: int) -> float:
    """Train by the experiment; return the seconds that fitting took."""
    with tempfile.TemporaryDirectory() as folder:
        overrides = [*OVERRIDES, f"paths.outputs={folder}", f"seed={seed}"]
        return partimento.train(overrides)["fit_s"]


def one_hot(x: torch.Tensor, sizes: list[int]) -> torch.Tensor:
    return torch.cat([F.one_hot(x[..., v], n) for v, n in enumerate(sizes)], -1).float()


def by_hand(seed: int) -> float:
    """Train as one would in a script; return the seconds that fitting took.

    From the experiment's initial weights and in its order of the data, since the time of an
    update depends on the numbers: Adam slows down where averages of gradients become denormal.
    """
    request = compose_request(list(OVERRIDES), "train")
    parts = build(request.resolved)
    data = MusicDataModule(parts.dataset, parts.representation)
    train, valid = data.examples("train").x, data.examples("valid").x
    sizes = list(parts.representation.distribution.sizes)  # type: ignore[attr-defined]
    torch.set_num_threads(THREADS)
    seed_global(seed, "init")
    steps, voices = train.shape[1:]
    network = nn.Sequential(
        nn.Dropout(0.2),
        nn.Linear(steps * sizes[0], 200),
        nn.ReLU(),
        nn.Linear(200, steps * sum(sizes[1:])),
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)

    def loss_of(x: torch.Tensor) -> torch.Tensor:
        x = x.long()
        output = network(one_hot(x[..., :1], sizes[:1]).flatten(1)).view(len(x), steps, -1)
        losses = [
            F.cross_entropy(logits.reshape(-1, sizes[v]), x[..., v].reshape(-1))
            for v, logits in zip(range(1, voices), output.split(sizes[1:], -1), strict=True)
        ]
        return torch.stack(losses).mean()

    start = time.perf_counter()
    for epoch in range(EPOCHS):
        order = epoch_order(len(train), seed, epoch)
        for begin in range(0, len(train), BATCH):
            loss = loss_of(train[order[begin : begin + BATCH]])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        network.eval()
        with torch.no_grad():
            loss_of(valid)
        network.train()
    return time.perf_counter() - start


def by_hand_without_denormals(seed: int) -> float:
    """Train by hand in the experiment's arithmetic, which is faster than what a script has."""
    with cpu_arithmetic(THREADS):
        return by_hand(seed)


KINDS = {f.__name__: f for f in (experiment, by_hand, by_hand_without_denormals)}


def afresh(kind: str) -> Callable[[int], float]:
    """Return a function that measures one kind in a process of its own, as a user would run it.

    The threads of torch's pool keep the arithmetic in which they began, hence the processes.
    """

    def measure(seed: int) -> float:
        command = [sys.executable, __file__, "--once", kind, "--seed", str(seed)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return float(done.stdout.split()[-1])

    return measure


def main() -> None:
    """Measure in turn, print the figures, write benchmarks/results/overhead.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=11)
    parser.add_argument("--once", choices=KINDS, help="print the seconds of one kind, and end")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.once:
        print(KINDS[arguments.once](arguments.seed))
        return
    seconds = in_turn({kind: afresh(kind) for kind in KINDS}, arguments.pairs)
    same = median_ratio(seconds["experiment"], seconds["by_hand_without_denormals"])
    write(
        "overhead",
        {
            **median_ratio(seconds["experiment"], seconds["by_hand"]),
            "median_ratio_same_arithmetic": same["median_ratio"],
            "interval_same_arithmetic": same["interval"],
            **{f"{kind}_s": round(statistics.median(s), 3) for kind, s in seconds.items()},
            "epochs": EPOCHS,
        },
    )


if __name__ == "__main__":
    main()
