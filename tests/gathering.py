"""Every metric of the diagnostics with examples for it, and a process that has a part of them.

As a script it is one of several processes: `python gathering.py RANK PROCESSES FOLDER`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from made_pieces import piece_of
from planted import RING
from torch import nn
from torchmetrics import Metric

from partimento.metrics.bins import BinComparison
from partimento.metrics.chord_following import ChordFollowing
from partimento.metrics.copied_windows import LongestCopies
from partimento.metrics.copies import CopyRate
from partimento.metrics.discriminator import DiscriminatorHealth
from partimento.metrics.diversity import DiversityRatios
from partimento.metrics.duplicates import Duplicates
from partimento.metrics.frechet import FrechetDistance, KernelDistance
from partimento.metrics.latent_dependence import LatentDependence
from partimento.metrics.latent_probe import LatentProbe, LocalSensitivity
from partimento.metrics.manifold import ManifoldScores
from partimento.metrics.memorisation import Memorisation, NearestRatio
from partimento.metrics.music.distances import FeatureDistances
from partimento.metrics.music.mgeval import mgeval_vectors
from partimento.metrics.music.statistics import MusicStatistics
from partimento.metrics.oracle_scores import OracleScores
from partimento.metrics.spectra import LayerSpectra, Participation
from partimento.metrics.two_sample import TwoSampleTest

N = 120
DRAW = torch.Generator().manual_seed(0)
TRAIN, REAL, FAKE = (torch.randint(high, (N, 3), generator=DRAW).float() for high in (4, 4, 5))
TONES, CHORDS = torch.randint(2, (2, N, 12), generator=DRAW).numpy()
PIECE = torch.arange(N).numpy() // 15  # the processes share some
CODES, OTHERS = torch.randn(2, N, 2, generator=DRAW)
POINTS = RING.draw(N, np.random.default_rng(0))
# Each row of three numbers as three notes of two voices.
PIECES = [
    piece_of([(0, 4 + a, 60 + a, 0), (4, 2, 55 + b, 1), (4 + a, 4, 64 + c, 0)], parts=("a", "b"))
    for a, b, c in FAKE.long().tolist()
]
VECTORS = torch.from_numpy(mgeval_vectors(PIECES, bars=1))
NETWORK = nn.Linear(4, 3)
nn.init.constant_(NETWORK.weight, 0.5)

Part = slice
Case = tuple[Callable[[], Metric], Callable[[Any, Part], None]]


def compared(metric: Any, part: Part) -> None:
    metric.update(REAL[part], real=True)
    metric.update(FAKE[part], real=False)


def against_train(metric: Any, part: Part) -> None:
    for side, x in {"trained": TRAIN, "held_out": REAL, "fake": FAKE}.items():
        metric.update(x[part], side)


def judged(metric: Any, part: Part) -> None:
    for side, x in {"trained": TRAIN, "held_out": REAL, "fake": FAKE}.items():
        metric.update(x[part, 0] - 2, side)
    metric.update_gradients(REAL[part, 1] + 1, real=True)
    metric.update_gradients(FAKE[part, 1], real=False)


def far_apart(metric: Any, part: Part) -> None:
    metric.update(VECTORS[part], real=True)
    metric.update(VECTORS.flip(0)[part] ** 2, real=False)


CASES: dict[str, Case] = {
    "manifold": (ManifoldScores, compared),
    "bins": (BinComparison, compared),
    "diversity": (DiversityRatios, compared),
    "duplicates": (Duplicates, compared),
    "two samples": (TwoSampleTest, compared),
    "Fréchet": (lambda: FrechetDistance(3), compared),
    "kernel": (lambda: KernelDistance(3, subsets=4, subset_size=N), compared),
    "memorisation": (Memorisation, against_train),
    "nearest": (NearestRatio, against_train),
    "discriminator": (DiscriminatorHealth, judged),
    "copies": (lambda: CopyRate(TRAIN.numpy()), lambda m, part: m.update(FAKE[part].numpy())),
    "windows": (
        lambda: LongestCopies([TRAIN.long().numpy()], 8),
        lambda m, part: m.update([FAKE[part].long().numpy()]),
    ),
    "music": (MusicStatistics, lambda m, part: m.update(PIECES[part])),
    "distances": (lambda: FeatureDistances(bars=1), far_apart),
    "chords": (ChordFollowing, lambda m, part: m.update(TONES[part], CHORDS[part], PIECE[part])),
    "oracle": (lambda: OracleScores(RING), lambda m, part: m.update(POINTS[part])),
    "dependence": (
        lambda: LatentDependence(3),
        lambda m, part: m.update(FAKE[part].unsqueeze(1), REAL[part]),
    ),
    "probe": (LatentProbe, lambda m, part: m.update(CODES[part], FAKE[part])),
    "sensitivity": (
        LocalSensitivity,
        lambda m, part: m.update(FAKE[part], REAL[part], CODES[part], OTHERS[part]),
    ),
    "layers": (lambda: LayerSpectra(NETWORK), lambda m, part: m.update(NETWORK)),
    "participation": (lambda: Participation(3), lambda m, part: m.update(FAKE[part])),
}


def parts_of(rank: int, processes: int) -> Iterator[Part]:
    """Yield the examples of one process in batches of 20; the last process has most of them."""
    first = 20 * rank
    last = N if rank == processes - 1 else first + 20
    for start in range(first, last, 20):
        yield slice(start, start + 20)


def plain(value: Any) -> dict[str, float]:
    """Return what a metric computes as numbers by name."""
    if isinstance(value, dict):
        return {name: float(number) for name, number in value.items()}
    values = value if isinstance(value, tuple) else (value,)
    return {str(place): float(number) for place, number in enumerate(values)}


def computed(rank: int = 0, processes: int = 1) -> dict[str, dict[str, float]]:
    """Return the values of every metric, of the examples that this process and others have."""
    found = {}
    for name, (make, give) in CASES.items():
        metric = make()
        for part in parts_of(rank, processes):
            give(metric, part)
        found[name] = plain(metric.compute())
    return found


def main(rank: int, processes: int, folder: Path) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=processes
    )
    (folder / f"{rank}.json").write_text(json.dumps(computed(rank, processes)))
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
