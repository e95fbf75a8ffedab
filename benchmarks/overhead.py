"""What the framework costs: fit time of MiniBach by the experiment over a hand-written loop.

Both train the same network on the same tensors for the same updates and validate once an epoch
with the negative log-likelihood; the experiment also logs to metrics.csv and writes checkpoints.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import torch
from measure import median_ratio, pairs, write
from torch import nn
from torch.nn import functional as F

import partimento
from partimento.apps.composition import compose_request
from partimento.building import build
from partimento.data.module import MusicDataModule

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


def experiment(folder: Path) -> float:
    """Train by the experiment, anew each time; return the seconds that fitting took."""
    overrides = [*OVERRIDES, f"paths.outputs={folder}", "resume=never"]
    return partimento.train(overrides)["fit_s"]


def one_hot(x: torch.Tensor, sizes: list[int]) -> torch.Tensor:
    return torch.cat([F.one_hot(x[..., v], n) for v, n in enumerate(sizes)], -1).float()


def by_hand(train: torch.Tensor, valid: torch.Tensor, sizes: list[int]) -> float:
    """Train as one would in a script; return the seconds that fitting took."""
    torch.manual_seed(0)
    torch.set_num_threads(THREADS)
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
    for _ in range(EPOCHS):
        order = torch.randperm(len(train))
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


def main() -> None:
    """Measure in turn, print the figures, write benchmarks/results/overhead.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=11)
    count = parser.parse_args().pairs
    with tempfile.TemporaryDirectory() as folder:
        request = compose_request([*OVERRIDES, f"paths.outputs={folder}"], "train")
        parts = build(request.resolved)
        data = MusicDataModule(parts.dataset, parts.representation)
        train, valid = data.examples("train").x, data.examples("valid").x
        sizes = list(parts.representation.distribution.sizes)  # type: ignore[attr-defined]
        left, right = pairs(
            lambda: experiment(Path(folder)), lambda: by_hand(train, valid, sizes), count
        )
    updates = EPOCHS * -(-len(train) // BATCH)
    write(
        "overhead",
        {
            **median_ratio(left, right),
            "experiment_s": round(sorted(left)[len(left) // 2], 3),
            "by_hand_s": round(sorted(right)[len(right) // 2], 3),
            "updates": updates,
        },
    )


if __name__ == "__main__":
    main()
