"""The same command again: what is decided from the state of a folder."""

from __future__ import annotations

import copy

import pytest

from partimento.errors import UserError
from partimento.runs.folder import RunFolder
from partimento.runs.identity import code_checksums, versions
from partimento.runs.resume import Decision, changes, code_changes, decide, refuse_other_config


@pytest.fixture
def folder(tmp_path) -> RunFolder:
    return RunFolder(tmp_path / "run")


def with_checkpoint(folder: RunFolder, status: str) -> RunFolder:
    folder.update(status=status)
    folder.last.parent.mkdir()
    folder.last.write_bytes(b"weights")
    return folder


def test_an_empty_folder_starts(folder):
    for resume in ("auto", "force"):
        assert decide(folder, resume) == Decision("start", None)
    assert decide(folder, "never") == Decision("anew", None)
    with pytest.raises(UserError, match="holds no checkpoint to resume from; leave resume=must"):
        decide(folder, "must")


@pytest.mark.parametrize("status", ["running", "interrupted", "failed"])
def test_an_unfinished_run_goes_on_from_its_checkpoint(folder, status):
    folder.update(status=status)
    assert decide(folder, "auto").action == "start"  # ended before its first checkpoint
    with_checkpoint(folder, status)
    for resume in ("auto", "must"):
        assert decide(folder, resume) == Decision("resume", folder.last)
    assert decide(folder, "force") == Decision("resume", folder.last, force=True)
    assert decide(folder, "never").action == "anew"


def test_a_finished_run_is_done(folder):
    with_checkpoint(folder, "finished")
    folder.write_json("code.json", code_checksums())
    for resume in ("auto", "must", "force"):
        decision = decide(folder, resume)
        assert decision.action == "done"
        assert decision.reason == "already finished; resume=never trains anew."
    assert decide(folder, "never").action == "anew"


def test_once_the_old_folder_is_set_aside_never_starts(folder):
    assert decide(folder, "never", leased=True) == Decision("start", None)


def test_changed_code_is_named(folder):
    assert code_changes(folder) == []
    sums = code_checksums()
    folder.write_json("code.json", {**sums, "partimento/seeds.py": "0", "partimento/old.py": "1"})
    assert code_changes(folder) == ["partimento/old.py changed", "partimento/seeds.py changed"]
    with_checkpoint(folder, "finished")
    assert decide(folder, "auto").reason == (
        "already finished, by other code (2 files changed since, such as partimento/old.py); "
        "resume=never trains anew."
    )


def test_changed_data_is_named_and_only_a_resume_is_refused(folder):
    data = {"fingerprint": "f", "checksum": "c", "split_manifest": "s", "windows": {"train": 1}}
    with_checkpoint(folder, "interrupted").update(data=data)
    record = {"data": {**data, "checksum": "d", "windows": {"train": 2}}}
    assert changes(folder, record) == ["data.checksum: was 'c', now 'd'"]
    assert changes(folder, {"data": data}) == []
    with pytest.raises(UserError, match=r"cannot go on exactly.*data\.checksum.*resume=force"):
        decide(folder, "auto").check(folder, record)
    decide(folder, "auto").check(folder, {"data": data})
    decide(folder, "force").check(folder, record)
    Decision("start", None).check(folder, record)


def test_changed_versions_are_named_and_refused(folder):
    """Those on which arithmetic and randomness rest; a logger's version changes no weight."""
    now = versions()
    old = {**now, "torch": "1.0.0", "wandb": "0.1", "music21": "1", "partimento": "0"}
    with_checkpoint(folder, "interrupted").update(versions=old)
    difference = f"versions.torch: was '1.0.0', now '{now['torch']}'"
    assert changes(folder, {"versions": now}) == [difference]
    with pytest.raises(UserError, match=r"cannot go on exactly.*versions\.torch: was '1\.0\.0'"):
        decide(folder, "auto").check(folder, {"versions": now})
    decide(folder, "force").check(folder, {"versions": now})
    folder.update(versions={**now, "wandb": "0.1"})
    decide(folder, "auto").check(folder, {"versions": now})


def test_a_folder_of_another_config_is_refused(folder, tiny_run):
    config = RunFolder(tiny_run).config()
    refuse_other_config(folder, config, "cpu")
    folder.write_yaml("config.yaml", config)
    refuse_other_config(folder, config, "cpu")
    unlike = copy.deepcopy(config)
    unlike["paths"]["outputs"] = "elsewhere"
    unlike["logger"] = {}
    refuse_other_config(folder, unlike, "cpu")
    unlike["trainer"]["batch_size"] = 7
    with pytest.raises(UserError, match=r"another config \(trainer\.batch_size: was 32, now 7\)"):
        refuse_other_config(folder, unlike, "cpu")
