"""Ten thousand examples of 128 features, by every metric, in less than 1 GB of memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import partimento

SCRIPT = """
import resource, sys, time
import torch
import gathering
from partimento.metrics import frechet
torch.set_num_threads(1)
draw = torch.Generator().manual_seed(0)
modes = 3 * torch.randn(40, 128, generator=draw)

def some():
    chosen = torch.randint(40, (10_000,), generator=draw)
    return modes[chosen] + torch.randn(10_000, 128, generator=draw)

def sides(metric, x):
    for name, features in x.items():
        metric.update(features, name)

def compare(metric, x):
    metric.update(x["held_out"], real=True)
    metric.update(x["fake"], real=False)

x = {name: some() for name in ("trained", "held_out", "fake")}
for kind, give in {
    gathering.ManifoldScores: compare, gathering.BinComparison: compare,
    gathering.DiversityRatios: compare, gathering.Duplicates: compare,
    gathering.TwoSampleTest: compare, gathering.Memorisation: sides,
    gathering.NearestRatio: sides,
}.items():
    started, metric = time.time(), kind()
    give(metric, x)
    found = metric.compute()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(kind.__name__, round(time.time() - started), "s", peak, "MiB", found, file=sys.stderr)
for metric in (gathering.FrechetDistance(128), gathering.KernelDistance(128, 10, 1000)):
    compare(metric, x)
    metric.compute()
frechet.frechet_distance(x["held_out"], x["fake"])
frechet.kernel_distance(x["held_out"], x["fake"])
probe = gathering.LatentProbe()
probe.update(x["held_out"], x["fake"])
probe.compute()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.full
def test_ten_thousand_examples_fit_in_a_gigabyte():
    folders = [Path(partimento.__file__).parents[1], Path(__file__).parents[1]]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders))}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    kibibytes = int(done.stdout.split()[-1])
    assert kibibytes < 1_000_000, done.stderr
