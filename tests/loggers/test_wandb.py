"""Weights & Biases offline: what a run leaves is read back from its own files, resumed or not."""

from __future__ import annotations

import os
import time
import wave
from pathlib import Path

import mido
import pytest
import yaml
from conftest import only_runs
from matplotlib.image import imread
from survival import complete, kill_until_done

import partimento
from partimento import experiment
from partimento.errors import Interrupted, UserError
from partimento.loggers.csv import read_metrics
from partimento.loggers.offline import _united, read_offline
from partimento.loggers.wandb import WandbLogger
from partimento.runs.folder import RunFolder

WATCHED = (
    "logger=wandb",
    "diagnostics=samples",
    "diagnostics.samples.every=1",
    "trainer.log_every=2",
    "logger.wandb.tags=[tried]",
)


@pytest.fixture(scope="module")
def watched(tmp_path_factory, cache) -> Path:
    """The folder of a finished run with everything logged."""
    from conftest import TINY

    outputs = tmp_path_factory.mktemp("watched") / "outputs"
    places = [f"paths.outputs={outputs}", f"paths.cache={cache}"]
    partimento.train([*TINY, *places, *WATCHED, "group=my sweep", "seed=5"])
    (folder,) = only_runs(outputs)
    return folder


@pytest.fixture(scope="module")
def offline(watched):
    return read_offline(watched)


def test_the_run_is_named_by_its_overrides_and_found_by_its_identity(watched, offline):
    assert offline.run["run_id"] == RunFolder(watched).read()["wandb_id"]
    assert offline.run["run_id"].startswith(f"{watched.name}-")
    name = offline.run["display_name"]
    assert name.startswith("minibach-chorales ")
    assert {"model.hidden=[8]", "trainer.batch_size=32", "seed=5"} <= set(name.split())
    assert "paths." not in name
    assert "logger" not in name
    assert offline.run["run_group"] == "my sweep"
    assert offline.run["project"] == "partimento"
    assert offline.run["tags"] == ["tried"]


def test_the_resolved_config_and_the_commit_are_in_it(watched, offline):
    kept = offline.run["config"]["update"]
    config = yaml.safe_load((watched / "config.yaml").read_text())
    assert {key: kept[key] for key in config} == config
    record = RunFolder(watched).read()
    assert kept["git"] == record["git"]
    assert set(kept["git"]) == {"commit", "dirty"}
    assert kept["data_checksum"] == record["data"]["checksum"]


def test_every_value_of_metrics_csv_is_in_it(watched, offline):
    rows = read_metrics(watched / "metrics.csv")
    names = {row["name"] for row in rows}
    assert {"train/loss", "valid/nll", "test/nll", "valid/accuracy/alto"} <= names
    for name in names:
        expected = {row["updates"]: row["value"] for row in rows if row["name"] == name}
        assert offline.values(name) == pytest.approx(expected, rel=1e-9)
    assert sorted(offline.values("train/loss")) == [2, 4, 6, 8, 10, 12]
    assert sorted(offline.values("valid/nll")) == [6, 12]
    for row in offline.history:
        assert row["examples_seen"] == 32 * row["updates"]


def test_pictures_sound_and_midi_can_be_seen_and_heard(watched, offline):
    """Two epochs and the final samples; those of the last epoch and the final ones both count."""
    by_kind = {kind: [p for p in offline.files if p.suffix == kind] for kind in (".png", ".wav")}
    assert len(by_kind[".png"]) == len(by_kind[".wav"]) == 3
    for path in by_kind[".png"]:
        picture = imread(path)
        assert picture.ndim == 3
        assert picture.std() > 0.01
    for path in by_kind[".wav"]:
        with wave.open(str(path)) as sound:
            assert sound.getnframes() / sound.getframerate() > 4
    names = {path.name: path for path in offline.files}
    for stem in ("epoch-0001", "epoch-0002", "final"):
        assert (
            names[f"{stem}.mid"].read_bytes() == (watched / "samples" / f"{stem}.mid").read_bytes()
        )
    notes = [m for m in mido.MidiFile(names["final.mid"]) if m.type == "note_on" and m.velocity]
    assert len(notes) > 10
    rows = [row for row in offline.history if "samples/pianoroll._type" in row]
    assert [(row["updates"], row["epoch"]) for row in rows] == [(6, 0), (12, 1), (12, 2)]
    assert {row["samples/pianoroll._type"] for row in rows} == {"image-file"}
    assert {row["samples/audio._type"] for row in rows} == {"audio-file"}
    assert not offline.unreadable


def test_nothing_private_of_the_machine_is_recorded(offline):
    """W&B's own copy of the git remote may hold a token, and the command line a path."""
    assert "git" not in {key for key in offline.run if key != "config"}
    assert not any(path.name in ("wandb-metadata.json", "diff.patch") for path in offline.files)


# -- interrupted and resumed ------------------------------------------------------------------------


def interrupt_at(monkeypatch, batch: int) -> None:
    """Ask for a stop at the n-th time that training looks."""
    asked = []

    class Stop(experiment.StopRequest):
        def __call__(self) -> bool:
            asked.append(None)
            return len(asked) == batch

    monkeypatch.setattr(experiment, "StopRequest", Stop)


@pytest.mark.parametrize("batch", [4, 6])
def test_an_interrupted_and_resumed_run_has_the_history_of_a_whole_one(
    tiny, tmp_path, monkeypatch, watched, offline, batch
):
    """In the first epoch, and after its validation."""
    overrides = tiny(*WATCHED, "group=my sweep", "seed=5", "diagnostics.samples.every=2")
    overrides.append("trainer.checkpoint_every=1")  # one update a turn, so one look a batch
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        interrupt_at(patch, batch)
        partimento.train(overrides)
    (folder,) = only_runs(tmp_path)
    first, own = read_offline(folder), RunFolder(folder).read()["wandb_id"]
    assert 0 < len(first.history) < len(offline.history)
    time.sleep(1.1)  # W&B names its folders by the second
    partimento.train(overrides)
    united = read_offline(folder)
    assert len(list(folder.glob("wandb/offline-run-*"))) == 2
    assert united.run["run_id"] == first.run["run_id"] == own
    assert not united.unreadable
    for name in ("train/loss", "valid/nll", "valid/accuracy", "test/nll"):
        assert united.values(name) == offline.values(name)
    assert {p.name for p in united.files} >= {"epoch-0002.mid", "final.mid"}


@pytest.mark.full
def test_killed_again_and_again_the_history_is_that_of_a_whole_run(tiny, tmp_path):
    slow = ("logger=wandb", "trainer.max_epochs=8", "trainer.checkpoint_every=2")
    slow += ("trainer.log_every=3", "trainer.patience=null")
    complete(tiny(*slow, outputs=tmp_path / "whole"))
    (whole,) = only_runs(tmp_path / "whole")
    overrides = tiny(*slow, outputs=tmp_path / "killed")
    folder = tmp_path / "killed" / "minibach-chorales" / whole.name
    kills, _ = kill_until_done(overrides, folder, 3, kills=3)
    assert kills > 0
    time.sleep(2)  # W&B's own process ends a little after the killed one
    expected, united = read_offline(whole), read_offline(folder)
    found = united.values("train/loss")
    # A kill may take with it what W&B had not yet written; what is there must be right.
    assert found == {key: expected.values("train/loss")[key] for key in found}
    assert united.values("test/nll") == expected.values("test/nll")
    assert united.values("valid/nll").items() <= expected.values("valid/nll").items()


def test_the_service_of_another_process_is_left_alone(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_SERVICE", "3-1-unix-nowhere")
    complete(tiny("logger=wandb"))
    (folder,) = only_runs(tmp_path)
    assert read_offline(folder).values("test/nll")


def test_a_damaged_offline_file_is_listed_and_the_rest_is_read(watched, offline, tmp_path):
    """Seven bytes, the header: W&B was killed before it first wrote."""
    copy = tmp_path / "run" / "wandb"
    copy.mkdir(parents=True)
    (original,) = watched.glob("wandb/offline-run-*")
    os.symlink(original, copy / original.name)
    torn = copy / "offline-run-20990101_000000-torn"
    torn.mkdir()
    (whole,) = original.glob("run-*.wandb")
    (torn / "run-torn.wandb").write_bytes(whole.read_bytes()[:7])
    found = read_offline(tmp_path / "run")
    assert found.unreadable == [torn / "run-torn.wandb"]
    assert found.history == offline.history
    assert found.run == offline.run


def test_a_file_torn_in_the_middle_gives_what_is_whole(watched, offline, tmp_path):
    (whole,) = watched.glob("wandb/offline-run-*/run-*.wandb")
    target = tmp_path / "wandb" / whole.parent.name / whole.name
    target.parent.mkdir(parents=True)
    target.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    found = read_offline(tmp_path)
    assert not found.unreadable
    assert found.run["run_id"] == offline.run["run_id"]
    assert 0 < len(found.history) < len(offline.history)
    assert found.history == offline.history[: len(found.history)]


def test_a_folder_without_offline_files_is_told(tiny_run):
    with pytest.raises(UserError, match="holds no offline W&B files"):
        read_offline(tiny_run)


def row(updates: int, epoch: int = 0, **values: float) -> dict[str, float]:
    return {"updates": updates, "epoch": epoch, **values}


def test_rows_that_a_killed_process_logged_too_far_are_void():
    earlier = [row(2, a=1.0), row(4, a=2.0), row(5, 1, b=3.0), row(6, 1, a=9.0)]
    assert _united(earlier, [row(4, a=2.5), row(6, 1, a=7.0)]) == [
        row(2, a=1.0),
        row(4, a=2.5),
        row(6, 1, a=7.0),
    ]


def test_a_run_stopped_between_training_and_test_keeps_its_last_validation():
    earlier = [row(6, valid=1.0), row(12, 1, valid=0.5)]
    assert _united(earlier, [row(12, 2, test=0.6)]) == [*earlier, row(12, 2, test=0.6)]
    assert _united(earlier, []) == earlier
    assert _united([], earlier) == earlier


# -- the logger itself ------------------------------------------------------------------------------


def test_no_run_is_begun_before_there_is_something_to_log(tmp_path):
    logger = WandbLogger(tmp_path, "id")
    logger.close(0)
    assert not list(tmp_path.glob("wandb/*"))


def test_two_runs_in_one_process_do_not_share_a_row(tmp_path):
    for name in ("first", "second"):
        logger = WandbLogger(tmp_path / name, name, name)
        logger.log_metrics({"value": len(name), "updates": 1})
        logger.finalize("success")  # Lightning calls this after fit and again after test
        logger.log_metrics({"value": len(name), "updates": 2})
        logger.close(0)
    for name in ("first", "second"):
        found = read_offline(tmp_path / name)
        assert found.run["run_id"] == name
        assert found.values("value") == {1: len(name), 2: len(name)}


def test_alerts_are_sent_once_each_with_their_level(tmp_path):
    logger = WandbLogger(tmp_path, "id")
    logger.log_metrics({"value": 1, "updates": 1})
    for state in ("critical", "warning", "healthy"):
        logger.alert("Mode collapse", f"now {state}", state)
    logger.close(0)
    told = [(alert["text"], alert["level"]) for alert in read_offline(tmp_path).alerts]
    assert told == [("now critical", "ERROR"), ("now warning", "WARN"), ("now healthy", "INFO")]
