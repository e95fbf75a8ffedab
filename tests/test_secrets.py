"""No secret of the environment ends in a run folder, whatever interpolates it."""

from __future__ import annotations

import secrets

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
