"""What makes two runs the same run, what makes them two, and how differences are told."""

from __future__ import annotations

import copy
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from partimento.runs.identity import (
    canonical,
    code_checksums,
    differences,
    git_state,
    identity,
    identity_content,
    versions,
)


@pytest.fixture(scope="module")
def resolved() -> dict:
    """The resolved default config of `train`."""
    from hydra import compose, initialize_config_dir

    from partimento.apps.composition import register_resolvers
    from partimento.config import conf_dir, plain

    register_resolvers()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return plain(compose("train"))[1]


def changed(config: dict, key: str, value: object) -> dict:
    other = copy.deepcopy(config)
    *parents, last = key.split(".")
    node = other
    for name in parents:
        node = node[name]
    assert node.get(last) != value
    node[last] = value
    return other


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("logger", {}),
        ("logger.wandb.project", "other"),
        ("paths.outputs", "elsewhere"),
        ("paths.cache", None),
        ("trainer.progress_bar", False),
        ("trainer.log_every", 7),
        ("trainer.checkpoint_every", 3),
        ("resume", "must"),
        ("group", "mine"),
        ("trusted_packages", ["theirs"]),
    ],
)
def test_what_cannot_change_the_result_is_no_part_of_the_identity(resolved, key, value):
    other = changed(resolved, key, value)
    assert identity(other, "data", "cpu") == identity(resolved, "data", "cpu")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", 1),
        ("model.hidden", [400]),
        ("model.optimizer.lr", 0.01),
        ("model.given", ["bass"]),
        ("dataset.metre", "4/4"),
        ("representation.bars", 2),
        ("data.split.seed", 1),
        ("data.stride", 2),
        ("data.transpose", False),
        ("trainer.batch_size", 64),
        ("trainer.max_epochs", 41),
        ("trainer.monitor", "valid/accuracy"),
        ("trainer.patience", None),
        ("accelerator.precision", "bf16-mixed"),
        ("accelerator.threads", 1),
        ("accelerator.devices", 2),
        ("strategy.temperature", 1.0),
        ("diagnostics", {}),
    ],
)
def test_what_can_change_the_result_is(resolved, key, value):
    other = changed(resolved, key, value)
    assert identity(other, "data", "cpu") != identity(resolved, "data", "cpu")


def test_data_and_the_device_that_auto_came_to_are_part_of_it(resolved):
    here = identity(resolved, "data", "cpu")
    assert identity(resolved, "other data", "cpu") != here
    assert identity(resolved, "data", "cuda") != here
    named = changed(resolved, "accelerator.device", "cpu")
    assert identity(named, "data", "cpu") == here  # auto that came to the CPU is the CPU


def test_identity_is_the_hash_of_its_content_whatever_the_order(resolved):
    content = identity_content(resolved, "data", "cpu")
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    expected = hashlib.sha256(text.encode()).hexdigest()[:12]
    assert identity(resolved, "data", "cpu") == expected
    backwards = dict(reversed(list(resolved.items())))
    assert identity(backwards, "data", "cpu") == expected
    assert content["config"]["accelerator"]["threads"] == 2
    assert "logger" not in content["config"]


def test_identity_leaves_the_config_as_it_was(resolved):
    before = copy.deepcopy(resolved)
    identity(resolved, "data", "cuda")
    assert resolved == before


def test_canonical():
    assert canonical({"b": [1, 2.5, None], "a": {"é": True}}) == (
        '{"a":{"\\u00e9":true},"b":[1,2.5,null]}'
    )


def test_differences_name_each_place():
    old = {"seed": 0, "model": {"hidden": [200], "lr": 0.1}, "gone": 1}
    new = {"seed": 0, "model": {"hidden": [8], "lr": 0.1, "dropout": 0.5}}
    assert differences(old, new) == [
        "gone: was 1, now gone",
        "model.dropout: not there before, now 0.5",
        "model.hidden: was [200], now [8]",
    ]
    assert differences(old, copy.deepcopy(old)) == []
    assert differences({"a": {}}, {"a": 3}) == ["a: was {}, now 3"]


def test_code_checksums_cover_every_file_and_notice_a_byte(tmp_path, monkeypatch):
    import partimento

    sums = code_checksums()
    root = Path(partimento.__file__).parent
    assert len(sums) == len(list(root.rglob("*.py")))
    own = hashlib.sha256((root / "seeds.py").read_bytes()).hexdigest()[:12]
    assert sums["partimento/seeds.py"] == own
    package = tmp_path / "theirs_for_a_test"
    (package / "deep").mkdir(parents=True)
    for name in ("__init__.py", "deep/model.py"):
        (package / name).write_text("x = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    before = code_checksums(["theirs_for_a_test"])
    assert set(before) - set(sums) == {
        "theirs_for_a_test/__init__.py",
        "theirs_for_a_test/deep/model.py",
    }
    (package / "deep" / "model.py").write_text("x = 2\n")
    after = code_checksums(["theirs_for_a_test"])
    assert [name for name in after if after[name] != before[name]] == [
        "theirs_for_a_test/deep/model.py"
    ]


def test_a_single_trusted_module_is_hashed_too(tmp_path, monkeypatch):
    (tmp_path / "one_file_for_a_test.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    sums = code_checksums(["one_file_for_a_test", "there_is_no_such_package"])
    assert "one_file_for_a_test/one_file_for_a_test.py" in sums
    assert not any(name.startswith("there_is") for name in sums)


def test_git_state_of_a_clone(tmp_path):
    """The package copied into a repository of its own, clean and then changed."""
    import partimento

    target = tmp_path / "clone" / "partimento"
    (target / "runs").mkdir(parents=True)
    root = Path(partimento.__file__).parent
    for name in ("__init__.py", "runs/__init__.py", "runs/identity.py"):
        (target / name).write_bytes((root / name).read_bytes() if "identity" in name else b"")
    (target / "config.py").write_text("without_non_identity = None\n")

    def git(*arguments: str) -> str:
        settings = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
        command = ["git", "-C", str(target.parent), *settings, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def state() -> dict:
        code = "import json; from partimento.runs.identity import git_state as g; "
        command = [sys.executable, "-B", "-c", code + "print(json.dumps(g()))"]
        done = subprocess.run(
            command, check=True, capture_output=True, text=True, cwd=target.parent
        )
        return json.loads(done.stdout)

    git("init", "-q")
    assert state() == {"commit": None, "dirty": None}
    git("add", "-A")
    git("commit", "-qm", "first")
    assert state() == {"commit": git("rev-parse", "HEAD"), "dirty": False}
    (target / "config.py").write_text("without_non_identity = 1\n")
    assert state()["dirty"] is True


def test_a_package_inside_somebody_elses_clone_has_no_commit(monkeypatch):
    def run(command, **kwargs):
        answers = {"rev-parse": "0" * 40, "status": ""}
        found = answers.get(command[3])
        return subprocess.CompletedProcess(command, 0 if found is not None else 1, found or "", "")

    monkeypatch.setattr(subprocess, "run", run)
    assert git_state() == {"commit": None, "dirty": None}


def test_versions_name_what_matters():
    import torch

    found = versions()
    assert found["torch"] == torch.__version__.split("+")[0] or found["torch"] == torch.__version__
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert set(found) >= {"partimento", "pytorch-lightning", "muspy", "music21", "numpy", "wandb"}
