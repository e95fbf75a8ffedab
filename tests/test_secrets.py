"""No secret of the environment ends in a run folder, whatever interpolates it."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys

import pytest

from partimento.apps.composition import compose_request
from partimento.config import redacted


def occurrences(folder, needle):
    """The files below a folder that hold the text, as it is or in the names of files."""
    texts = (needle.encode(), needle.encode("utf-16-le"))
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return [
        path
        for path in files
        if needle in path.name or any(text in path.read_bytes() for text in texts)
    ]


def test_a_run_folder_holds_no_secret(cli, tiny, tmp_path, monkeypatch):
    key, token = secrets.token_hex(20), secrets.token_hex(20)
    monkeypatch.setenv("WANDB_API_KEY", key)
    monkeypatch.setenv("FOO_TOKEN", token)
    harmless = secrets.token_hex(20)
    monkeypatch.setenv("FOO_NOTE", harmless)
    result = cli(
        "train",
        *tiny("logger=wandb", "trainer.max_epochs=1"),
        "logger.wandb.tags=['${oc.env:FOO_TOKEN}','${oc.env:FOO_NOTE}']",
        "group=${oc.env:FOO_TOKEN}",
    )
    assert result.code == 0, result.err
    outputs = tmp_path / "outputs"
    assert occurrences(outputs, key) == []
    assert occurrences(outputs, token) == []
    # The search finds what is there: the note beside the token is no secret.
    found = {path.name.partition(".")[2] for path in occurrences(outputs, harmless)}
    assert {"yaml", "wandb"} <= found
    assert token not in result.err + result.out


def test_redacting_reaches_every_text(monkeypatch):
    token = secrets.token_hex(8)
    monkeypatch.setenv("FOO_TOKEN", token)
    value = {"a": [f"x{token}y", 3, None, True], "b": {"c": token, token: 1}}
    assert redacted(value) == {
        "a": ["x<redacted>y", 3, None, True],
        "b": {"c": "<redacted>", "<redacted>": 1},
    }


def test_a_secret_that_the_shell_put_into_an_override_is_not_recorded(tiny, monkeypatch):
    token = secrets.token_hex(8)
    monkeypatch.setenv("FOO_TOKEN", token)
    request = compose_request(tiny(f"trainer.monitor={token}"), "train")
    assert request.resolved["trainer"]["monitor"] == "<redacted>"
    assert "trainer.monitor=<redacted>" in request.overrides
    assert token not in request.name


@pytest.mark.parametrize(
    ("override", "code", "shown"),
    [
        ("group={}", 0, "2 jobs, 0 failed"),
        ("trainer.monitor=valid/{}", 1, "valid/<redacted> names no value"),
        ("model.name={}", 1, "model.name=<redacted> is wrong"),
        ("model.nothing={}", 1, "There is no config key 'model.nothing'"),
        ("model=mini{}", 1, "has no option 'mini<redacted>'"),
    ],
    ids=["fine", "fails", "refused", "unknown key", "unknown option"],
)
def test_a_sweep_neither_shows_nor_keeps_a_secret(
    cli, tiny, tmp_path, monkeypatch, override, code, shown
):
    """Hydra notes the overrides of a sweep, and of each job, in places of its own."""
    token = secrets.token_hex(20)
    monkeypatch.setenv("FOO_TOKEN", token)
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    (outputs / "note").write_text("here before")
    result = cli("train", "-m", *tiny("seed=1,2"), override.format(token))
    assert result.code == code, result.err
    assert shown in result.out + result.err
    assert token not in result.out + result.err
    assert occurrences(outputs, token) == []
    assert not list(tmp_path.rglob("multirun.yaml"))


def test_a_sweep_that_is_killed_keeps_no_secret_either(tiny, tmp_path):
    """At its first job there is no file of Hydra's any more."""
    token = secrets.token_hex(20)
    script = (
        "import os, sys\n"
        "from partimento import experiment\n"
        "from partimento.apps import train\n"
        "experiment.run = lambda request: os._exit(9)\n"
        f"sys.argv = ['train', '-m', *{tiny(f'group={token}')!r}]\n"
        "train.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "FOO_TOKEN": token},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 9, done.stderr
    assert token not in done.stdout + done.stderr
    assert (tmp_path / "outputs" / "minibach-chorales").is_dir()
    assert occurrences(tmp_path / "outputs", token) == []
