"""One run: what may not change its weights, what refuses to resume, and who may hold it."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
import yaml
from survival import assert_equal_weights, complete, weights

import partimento
from partimento import experiment
from partimento.errors import UserError
from partimento.loggers.csv import read_metrics
from partimento.runs.folder import RunFolder


def run_folder(record_or_outputs):
    (folder,) = {path.parent for path in record_or_outputs.rglob("config.yaml")}
    return folder


def test_loggers_and_diagnostics_leave_the_weights_alone(tiny, tmp_path):
    """With dropout, so that a stray draw from the random stream would show."""
    plain, watched = tmp_path / "plain", tmp_path / "watched"
    partimento.train(tiny("model.network.dropout=0.3", "logger=none", outputs=plain))
    partimento.train(
        tiny(
            "model.network.dropout=0.3",
            "logger=wandb",
            "diagnostics=samples",
            "diagnostics.samples.every=1",
            "trainer.progress_bar=true",
            outputs=watched,
        )
    )
    left, right = run_folder(plain), run_folder(watched)
    assert list((right / "samples").glob("epoch-*.png"))
    assert not (left / "samples").exists()
    for name in ("last.ckpt", "best.ckpt"):
        assert_equal_weights(weights(left, name), weights(right, name))


def test_same_config_same_weights_and_another_seed_others(tiny, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        partimento.train(tiny(f"seed={seed}", outputs=tmp_path / name))
    a, b, c = (weights(run_folder(tmp_path / name)) for name in "abc")
    assert_equal_weights(a, b)
    assert not all((a[name] == c[name]).all() for name in a if name.startswith("network"))


def interrupted_copy(tiny_run, target):
    shutil.copytree(tiny_run, target)
    folder = RunFolder(target)
    folder.update(status="interrupted")
    return folder


def continued(tiny_run, tmp_path, tiny, *more):
    """Ask for the session's tiny run again in a copy of its folder."""
    target = tmp_path / "outputs" / "minibach-chorales" / tiny_run.name
    folder = interrupted_copy(tiny_run, target)
    return folder, lambda: partimento.train(tiny(*more))


def test_changed_code_refuses_to_resume(tiny_run, tmp_path, tiny):
    folder, resume = continued(tiny_run, tmp_path, tiny)
    code = folder.read_json("code.json")
    code["partimento/models/base.py"] = "0" * 12
    folder.write_json("code.json", code)
    with pytest.raises(UserError, match=r"partimento/models/base\.py changed.*resume=force"):
        resume()
    record = partimento.train(tiny("resume=force"))
    assert record["status"] == "finished"


def test_changed_data_refuses_to_resume(tiny_run, tmp_path, tiny):
    folder, resume = continued(tiny_run, tmp_path, tiny)
    record = folder.read()
    folder.update(data={**record["data"], "checksum": "other"})
    with pytest.raises(UserError, match=r"data\.checksum: was 'other', now"):
        resume()


@pytest.mark.parametrize("status", ["interrupted", "failed"])
def test_a_refused_resume_leaves_the_folder_as_it_was(tiny_run, tmp_path, tiny, status):
    """Else a second try, with the old library back, would find a run that failed for good."""
    folder, resume = continued(tiny_run, tmp_path, tiny)
    record = folder.read()
    older = {**record["versions"], "torch": "1.0.0"}
    record = folder.update(status=status, versions=older)
    content = {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match=r"versions\.torch: was '1\.0\.0', now '.*resume=force"):
        resume()
    assert folder.read() == record
    for path, before in content.items():
        if path.name != "train.log":
            assert path.read_bytes() == before, path
    folder.update(versions={**older, "torch": torch.__version__})
    assert resume()["status"] == "finished"


def meanwhile(monkeypatch, act):
    """Let another process act after the first decision, before the lease is taken."""
    build = experiment.build

    def slow(resolved):
        parts = build(resolved)
        act()
        return parts

    monkeypatch.setattr(experiment, "build", slow)


def test_a_run_that_another_process_finished_meanwhile_is_not_trained_again(
    tiny_run, tmp_path, tiny, monkeypatch
):
    folder, resume = continued(tiny_run, tmp_path, tiny)
    meanwhile(monkeypatch, lambda: folder.update(status="finished", wall_s=123.0))
    before = folder.last.stat().st_mtime_ns

    def trained(*arguments):
        raise AssertionError("it was trained again")

    monkeypatch.setattr(experiment, "_train", trained)
    record = resume()
    assert record == folder.read()
    assert (record["status"], record["wall_s"]) == ("finished", 123.0)
    assert folder.last.stat().st_mtime_ns == before


def test_a_run_that_another_process_brought_on_meanwhile_goes_on_from_there(
    tiny_run, tmp_path, tiny, monkeypatch, caplog
):
    folder, resume = continued(tiny_run, tmp_path, tiny)
    aside = folder.last.rename(tmp_path / "later.ckpt")
    meanwhile(monkeypatch, lambda: aside.rename(folder.last))
    with caplog.at_level("INFO"):
        assert resume()["status"] == "finished"
    assert "Resuming after 12 updates" in caplog.text


def test_a_resumed_run_keeps_its_wandb_run_and_a_new_one_has_another(tiny_run, tmp_path, tiny):
    """The same identity elsewhere, or anew, must not write into a run that W&B already has."""
    first = RunFolder(tiny_run).read()["wandb_id"]
    folder, resume = continued(tiny_run, tmp_path, tiny)
    assert resume()["wandb_id"] == folder.read()["wandb_id"] == first
    assert first.startswith(f"{tiny_run.name}-")
    anew = partimento.train(tiny("resume=never"))["wandb_id"]
    assert anew != first
    assert anew.startswith(f"{tiny_run.name}-")
    elsewhere = partimento.train(tiny(outputs=tmp_path / "elsewhere"))["wandb_id"]
    assert elsewhere not in (first, anew)


SLURM = {"SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "runs", "SLURM_NTASKS": "2", "SLURM_PROCID": "1"}


@pytest.mark.parametrize("variables", [{"SLURM_PROCID": "1"}, SLURM])
def test_without_ddp_a_task_of_a_cluster_is_a_run_like_any_other(
    tiny, tmp_path, tiny_run, monkeypatch, variables
):
    """Such as the second of several runs that one job script starts side by side."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    complete(tiny())
    folder = run_folder(tmp_path)
    names = {path.name for path in tiny_run.iterdir()}
    assert {path.name for path in folder.iterdir()} >= names - {"lease", "wandb"}
    record, reference = RunFolder(folder).read(), RunFolder(tiny_run).read()
    assert record["status"] == "finished"
    assert record["metrics"] == reference["metrics"]
    assert read_metrics(folder / "metrics.csv") == read_metrics(tiny_run / "metrics.csv") != []
    assert_equal_weights(weights(folder), weights(tiny_run))


def test_a_folder_chosen_by_hand_keeps_its_config(tiny, tmp_path):
    mine = f"hydra.run.dir={tmp_path / 'mine'}"
    partimento.train(tiny(mine))
    with pytest.raises(UserError, match=r"config.*seed: was 0, now 3"):
        partimento.train(tiny(mine, "seed=3"))


def test_must_refuses_to_begin(tiny):
    with pytest.raises(UserError, match="holds no checkpoint to resume from"):
        partimento.train(tiny("resume=must"))


def test_never_sets_the_old_run_aside(tiny, tmp_path):
    first = partimento.train(tiny())
    second = partimento.train(tiny("resume=never"))
    (old,) = (tmp_path / "outputs").glob("*/*.old1")
    assert json.loads((old / "run.json").read_text()) == first
    assert second["metrics"] == first["metrics"]


def test_a_finished_run_says_that_code_changed(tiny_run, tmp_path, tiny, caplog):
    target = tmp_path / "outputs" / "minibach-chorales" / tiny_run.name
    shutil.copytree(tiny_run, target)
    folder = RunFolder(target)
    folder.write_json("code.json", {**folder.read_json("code.json"), "partimento/music.py": "0"})
    with caplog.at_level("INFO"):
        partimento.train(tiny())
    assert "already finished, by other code (1 files changed since, such as" in caplog.text


def test_the_lease_keeps_a_second_process_out(tiny_run, tmp_path, tiny):
    folder, resume = continued(tiny_run, tmp_path, tiny)
    with folder.lease(), pytest.raises(UserError, match="is in use by process"):
        resume()


def test_a_failing_run_says_so_in_its_record(tiny, tmp_path, monkeypatch):
    from partimento.models import Feedforward

    def fail(self, batch):
        raise RuntimeError("out of memory, say")

    monkeypatch.setattr(Feedforward, "evaluate", fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        partimento.train(tiny())
    record = json.loads((run_folder(tmp_path) / "run.json").read_text())
    assert record["status"] == "failed"
    assert record["error"] == "RuntimeError: out of memory, say"


def test_config_of_the_run_is_resolved(tiny_run):
    config = yaml.safe_load((tiny_run / "config.yaml").read_text())
    assert "${" not in json.dumps(config)


def test_patience_and_max_updates_stop_training(tiny, tmp_path):
    record = partimento.train(tiny("trainer.max_updates=5", outputs=tmp_path / "a"))
    assert record["counters"]["updates"] == 5
    record = partimento.train(
        tiny(
            "trainer.max_epochs=30",
            "trainer.limit_train_batches=1",
            "trainer.patience=2",
            "model.optimizer.lr=0.9",
            outputs=tmp_path / "b",
        )
    )
    best, updates = record["best"]["updates"], record["counters"]["updates"]
    assert updates == best + 2 < 30
