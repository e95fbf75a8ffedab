"""What the framework costs a GAN: fit time of an experiment over a hand-written loop of 40 lines.

Two games: eight Gaussians on a ring with small networks, where an update is so short that all else
shows, and the GAN of two bars of Bach chorales. Experiment and loop train the same networks from the
same initial weights on the same batches with the same random numbers, and end with the same
weights, bit for bit (`same_weights`). The experiment also logs every 50 updates to metrics.csv,
validates and writes checkpoints. With Weights & Biases (offline) beside it, a second ratio, a run
pays once for the start of W&B's service, whatever its length.

The experiment computes without denormal numbers, which a script does not unless it asks for it. The
ratio is to a loop in the same arithmetic; the one to a loop as one would write it, which also draws
all its noise from one stream, stands beside it.
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from measure import in_turn, median_ratio, write
from torch import Tensor, nn
from torch.nn import functional as F

import partimento
from partimento.apps.composition import compose_request
from partimento.building import build
from partimento.data.loader import epoch_order
from partimento.data.module import MusicDataModule
from partimento.loading import read_checkpoint
from partimento.runs.arithmetic import cpu_arithmetic
from partimento.runs.folder import RunFolder
from partimento.seeds import seed_global, stream_seed

THREADS = 2
SHARED = (
    "model=gan",
    "accelerator=cpu",
    f"accelerator.threads={THREADS}",
    "diagnostics=none",
    "trainer.progress_bar=false",
    "trainer.patience=null",
)


@dataclass(frozen=True)
class GameSize:
    """One game: its overrides, and the numbers that the loop needs too."""

    hidden: int
    latent: int
    batch: int
    epochs: int
    updates: int  # of an epoch
    overrides: tuple[str, ...]

    def arguments(self, seed: int, outputs: str) -> list[str]:
        """Return the overrides of one run."""
        return [
            *SHARED,
            *self.overrides,
            f"model.generator.hidden=[{self.hidden},{self.hidden}]",
            f"model.discriminator.hidden=[{self.hidden},{self.hidden}]",
            f"model.latent={self.latent}",
            f"trainer.batch_size={self.batch}",
            f"trainer.max_epochs={self.epochs}",
            f"trainer.limit_train_batches={self.updates}",
            f"paths.outputs={outputs}",
            f"seed={seed}",
        ]


GAMES = {
    "ring": GameSize(128, 2, 512, 10, 195, ("dataset=ring", "representation=points")),
    "chorales": GameSize(256, 64, 128, 3, 100, ("representation=multivoice",
                                                "representation.bars=2")),
}  # fmt: skip


def digest(weights: Iterable[Tensor]) -> str:
    """Return a hash of weights."""
    content = b"".join(value.detach().numpy().tobytes() for value in weights)
    return hashlib.sha256(content).hexdigest()[:16]


def experiment(game: str, seed: int, logger: str = "csv") -> tuple[float, str]:
    """Train by the experiment; return the seconds that fitting took, and what came out."""
    with tempfile.TemporaryDirectory() as outputs:
        overrides = [*GAMES[game].arguments(seed, outputs), f"logger={logger}"]
        seconds = partimento.train(overrides)["fit_s"]
        folder = RunFolder(compose_request(overrides, "train").folder.path)
        state: Mapping[str, Tensor] = read_checkpoint(folder.last)["state_dict"]
        players = ("generator.", "discriminator.")
        return seconds, digest([state[n] for p in players for n in state if n.startswith(p)])


def experiment_wandb(game: str, seed: int) -> tuple[float, str]:
    """Train by the experiment with W&B offline, which is the default."""
    return experiment(game, seed, "wandb")


def layers(sizes: list[int], activation: Callable[[], nn.Module]) -> nn.Sequential:
    pairs = [(nn.Linear(a, b), activation()) for a, b in pairwise(sizes)]
    return nn.Sequential(*[layer for pair in pairs for layer in pair][:-1])


def by_hand(game: str, seed: int, *, keyed: bool = True) -> tuple[float, str]:
    """Train as one would in a script, by algorithm 1 of Goodfellow et al. 2014 with k=1.

    From the experiment's initial weights and in its order of the data, since the time of an
    update depends on the numbers. `keyed` draws noise as the experiment does, from a stream per
    update, without which a resumed run would not go on exactly.
    """
    size = GAMES[game]
    request = compose_request(size.arguments(seed, "nowhere"), "train")
    parts = build(request.resolved)
    data = MusicDataModule(parts.dataset, parts.representation).examples("train").x
    alphabets = list(getattr(parts.representation.distribution, "sizes", []))
    width = len(data[0]) * sum(alphabets) or data[0].numel()
    torch.set_num_threads(THREADS)
    seed_global(seed, "init")
    generator = layers([size.latent, size.hidden, size.hidden, width], nn.ReLU)
    discriminator = layers([width, size.hidden, size.hidden, 1], lambda: nn.LeakyReLU(0.2))
    adam_g, adam_d = (
        torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999))
        for network in (generator, discriminator)
    )
    attempt = 0

    def features(x: Tensor) -> Tensor:
        if not alphabets:
            return x.flatten(1)
        hot = [F.one_hot(x[..., v].long(), n) for v, n in enumerate(alphabets)]
        return torch.cat(hot, -1).float().flatten(1)

    def fake() -> Tensor:
        nonlocal attempt
        attempt += 1
        latents = None
        if keyed:
            torch.default_generator.manual_seed(stream_seed(seed, "noise", attempt))
            latents = torch.Generator().manual_seed(stream_seed(seed, "latent", attempt))
        made = generator(torch.randn(size.batch, size.latent, generator=latents))
        if not alphabets:
            return made
        made = made.unflatten(1, (-1, sum(alphabets)))
        limits = torch.finfo(made.dtype)
        uniform = torch.rand(made.shape).clamp(limits.tiny, 1 - limits.eps)
        noisy = made - torch.log(-torch.log(uniform))
        soft = [logits.softmax(-1) for logits in noisy.split(alphabets, -1)]
        hard = [F.one_hot(p.argmax(-1), p.shape[-1]).float() for p in soft]
        joined = torch.cat(soft, -1)
        return (torch.cat(hard, -1) + (joined - joined.detach())).flatten(1)

    start = time.perf_counter()
    for epoch in range(size.epochs):
        order = epoch_order(len(data), seed, epoch)
        for index in range(size.updates):
            real = features(data[order[index * size.batch : (index + 1) * size.batch]])
            with torch.no_grad():
                made = fake()
            loss = F.softplus(-discriminator(real)).mean() + F.softplus(discriminator(made)).mean()
            adam_d.zero_grad()
            loss.backward()
            adam_d.step()
            loss = F.softplus(-discriminator(fake())).mean()
            adam_g.zero_grad()
            loss.backward()
            adam_g.step()
    seconds = time.perf_counter() - start
    return seconds, digest([*generator.parameters(), *discriminator.parameters()])


def by_hand_same_arithmetic(game: str, seed: int) -> tuple[float, str]:
    """Train by hand in the experiment's arithmetic."""
    with cpu_arithmetic(THREADS):
        return by_hand(game, seed)


def by_hand_plain(game: str, seed: int) -> tuple[float, str]:
    """Train by hand with one stream of noise, in the arithmetic that a script has."""
    return by_hand(game, seed, keyed=False)


KINDS = {
    f.__name__: f for f in (experiment, by_hand_same_arithmetic, by_hand_plain, experiment_wandb)
}


def afresh(game: str, kind: str, results: dict[tuple[str, int], str]) -> Callable[[int], float]:
    """Return a function that measures one kind in a process of its own, as a user would run it.

    The threads of torch's pool keep the arithmetic in which they began, hence the processes.
    """

    def measure(seed: int) -> float:
        command = [sys.executable, __file__, "--once", game, kind, "--seed", str(seed)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds, results[kind, seed] = done.stdout.split()[-2:]
        return float(seconds)

    return measure


def measured(game: str, pairs: int) -> dict[str, Any]:
    """Measure one game; return its figures."""
    results: dict[tuple[str, int], str] = {}
    seconds = in_turn({kind: afresh(game, kind, results) for kind in KINDS}, pairs)
    same = median_ratio(seconds["experiment"], seconds["by_hand_same_arithmetic"])
    plain = median_ratio(seconds["experiment"], seconds["by_hand_plain"])
    wandb = median_ratio(seconds["experiment_wandb"], seconds["by_hand_same_arithmetic"])
    return {
        f"{game}_ratio": same["median_ratio"],
        f"{game}_interval": same["interval"],
        f"{game}_ratio_to_plain": plain["median_ratio"],
        f"{game}_interval_to_plain": plain["interval"],
        f"{game}_ratio_with_wandb": wandb["median_ratio"],
        f"{game}_interval_with_wandb": wandb["interval"],
        f"{game}_pairs": same["pairs"],
        f"{game}_updates": GAMES[game].epochs * GAMES[game].updates,
        f"{game}_same_weights": all(
            results["experiment", seed] == results["by_hand_same_arithmetic", seed]
            for seed in range(pairs)
        ),
        **{f"{game}_{kind}_s": round(statistics.median(s), 3) for kind, s in seconds.items()},
    }


def main() -> None:
    """Measure in turn, print the figures, write benchmarks/results/gan.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=11)
    parser.add_argument("--games", nargs="+", choices=GAMES, default=list(GAMES))
    parser.add_argument("--once", nargs=2, metavar=("GAME", "KIND"), help="measure once, and end")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.once:
        game, kind = arguments.once
        print(*KINDS[kind](game, arguments.seed))
        return
    figures: dict[str, Any] = {}
    for game in arguments.games:
        figures |= measured(game, arguments.pairs)
    write("gan", figures)


if __name__ == "__main__":
    main()
