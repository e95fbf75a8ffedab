"""Two processes on the CPU (gloo), started by the console command: one run, killed and resumed."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
import torch
from survival import assert_equal_weights, complete, counters, start, weights

DDP = ("accelerator=ddp", "accelerator.device=cpu", "accelerator.threads=1")
LONGER = (
    "trainer.max_epochs=6",
    "trainer.checkpoint_every=2",
    "trainer.patience=null",
    "model.network.dropout=0.3",
)


@pytest.fixture
def two(tiny):
    def overrides(*more: str, outputs: Path) -> list[str]:
        kept = [text for text in tiny(outputs=outputs) if not text.startswith("accelerator")]
        return [*kept, *DDP, *more]

    return overrides


def only_folder(outputs: Path) -> Path:
    (folder,) = {path.parent for path in outputs.rglob("config.yaml")}
    return folder


def wait_for(path: Path, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not come"
        time.sleep(0.01)


def kill_all(process) -> None:
    """Kill the process and what it started, and take what it printed."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def test_two_processes_reach_the_weights_of_one(two, tiny, tmp_path):
    """Every one of the updates of a round must be shared, not the first of them only."""
    same = ("model.network.input_dropout=0", "trainer.max_epochs=2", "trainer.patience=null")
    complete(two(*same, outputs=tmp_path / "two"))
    complete(tiny(*same, outputs=tmp_path / "one"))
    pair, single = (weights(only_folder(tmp_path / name)) for name in ("two", "one"))
    for name, value in single.items():
        if value.is_floating_point() and value.dim():
            torch.testing.assert_close(pair[name], value, rtol=1e-3, atol=1e-5)


RANKS = """
from pathlib import Path

import torch
from pytorch_lightning import Callback


class Ranks(Callback):
    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def on_train_end(self, trainer, pl_module) -> None:
        torch.save(pl_module.state_dict(), self.folder / f"rank-{trainer.global_rank}.pt")
"""
GAME = (
    "model=gan",
    "model.generator.hidden=[8]",
    "model.discriminator.hidden=[8]",
    "model.discriminator_steps=2",
    "model.latent=4",
    "model.ema=0.9",
    "+model.penalties.r1={_target_:partimento.losses.penalties.R1,weight:1.0,every:2}",
    "trainer.gradient_clip=1.0",
    "trusted_packages=[stranger_ranks]",
    "+diagnostics.ranks._target_=stranger_ranks.Ranks",
)


@pytest.fixture
def game(two, tmp_path, monkeypatch):
    """Overrides of a game of two processes that each leave their weights in the run folder."""
    (tmp_path / "stranger").mkdir()
    (tmp_path / "stranger" / "stranger_ranks.py").write_text(RANKS)
    paths = [str(tmp_path / "stranger"), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))

    def overrides(*more: str, outputs: Path) -> list[str]:
        kept = [text for text in two(outputs=outputs) if not text.startswith("model.hidden")]
        return [*kept, *GAME, *more]

    return overrides


def assert_equal_ranks(folder: Path) -> dict[str, torch.Tensor]:
    """Assert that both processes ended with the weights of the last checkpoint, and return them."""
    ends = [torch.load(folder / f"rank-{rank}.pt", weights_only=True) for rank in (0, 1)]
    # What a process saw is its own; parameters and what was done are not.
    ends = [{n: v for n, v in end.items() if not n.startswith("scoreboard")} for end in ends]
    assert_equal_weights(*ends)
    saved = weights(folder)
    for name in ends[0]:
        if name not in ("epochs", "_loss_sum"):
            assert torch.equal(ends[0][name], saved[name]), name
    return saved


def test_two_processes_play_a_game(game, tmp_path):
    complete(game(outputs=tmp_path / "runs"))
    folder = only_folder(tmp_path / "runs")
    record = json.loads((folder / "run.json").read_text())
    assert record["status"] == "finished"
    assert record["counters"]["discriminator_updates"] == 2 * record["counters"]["updates"] > 0
    assert record["counters"]["examples_seen"] == 32 * record["counters"]["batches_seen"]
    state = assert_equal_ranks(folder)
    name = "generator.layers.0.weight"
    assert not torch.equal(state[name], state[name.replace("generator", "generator_ema")])


@pytest.mark.full
def test_a_killed_game_of_two_goes_on_to_the_same_weights(game, tmp_path):
    freezing = "+model.techniques.own={_target_:partimento.models.techniques.Freezing,share:0.9}"
    more = ("trainer.max_epochs=8", "trainer.checkpoint_every=2", "model.discriminator.dropout=0.3")
    more += (freezing,)  # which must pause a player in both processes or in neither
    complete(game(*more, outputs=tmp_path / "whole"))
    whole = only_folder(tmp_path / "whole")
    folder = tmp_path / "killed" / whole.relative_to(tmp_path / "whole")
    process = start(game(*more, outputs=tmp_path / "killed"), start_new_session=True)
    wait_for(folder / "checkpoints" / "last.ckpt")
    kill_all(process)
    assert 0 < counters(folder)["updates"] < counters(whole)["updates"]
    assert "Resuming after" in complete(game(*more, outputs=tmp_path / "killed"))
    assert_equal_weights(assert_equal_ranks(folder), assert_equal_ranks(whole))


def test_two_processes_train_one_run(two, tmp_path):
    output = complete(two(outputs=tmp_path))
    folder = only_folder(tmp_path)
    record = json.loads((folder / "run.json").read_text())
    assert record["status"] == "finished"
    assert record["counters"]["updates"] == 12
    assert record["counters"]["examples_seen"] == 12 * 32
    assert output.count("Run folder:") == 2 + 1  # each process its place, the first its summary
    assert "sync_dist" not in output


@pytest.mark.full
def test_a_killed_run_goes_on_to_the_same_weights(two, tmp_path):
    complete(two(*LONGER, outputs=tmp_path / "whole"))
    whole = only_folder(tmp_path / "whole")
    folder = tmp_path / "killed" / "minibach-chorales" / whole.name
    process = start(two(*LONGER, outputs=tmp_path / "killed"), start_new_session=True)
    wait_for(folder / "checkpoints" / "last.ckpt")
    kill_all(process)
    assert 0 < counters(folder)["updates"] < 36
    assert "Resuming after" in complete(two(*LONGER, outputs=tmp_path / "killed"))
    assert_equal_weights(weights(folder), weights(whole))


@pytest.mark.full
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_one_process_stops_both(two, tmp_path, number):
    process = start(two(*LONGER, outputs=tmp_path), start_new_session=True)
    (tmp_path / "minibach-chorales").mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + 120
    while not list(tmp_path.rglob("metrics.csv")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(number)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130, output
    record = json.loads((only_folder(tmp_path) / "run.json").read_text())
    assert record["status"] == "interrupted"
    assert counters(only_folder(tmp_path))["updates"] > 0
