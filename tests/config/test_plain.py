"""Composed configs as plain containers: interpolations, missing values, secrets of the environment."""

from __future__ import annotations

import pytest
from omegaconf import OmegaConf

from partimento.config import plain, redacted
from partimento.config.plain import secrets
from partimento.errors import UserError


def test_raw_keeps_interpolations_and_resolved_has_their_values():
    config = OmegaConf.create({"a": {"b": 3}, "c": "${a.b}", "d": ["${c}"], "hydra": {"x": "???"}})
    raw, resolved = plain(config)
    assert raw == {"a": {"b": 3}, "c": "${a.b}", "d": ["${c}"]}
    assert resolved == {"a": {"b": 3}, "c": 3, "d": [3]}
    assert type(resolved["a"]) is dict
    assert type(resolved["d"]) is list


def test_a_missing_value_is_named():
    with pytest.raises(UserError, match=r"^a\.b=… is missing and must be given\.$"):
        plain(OmegaConf.create({"a": {"b": "???"}}))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("${nothing}", "Interpolation key 'nothing' not found"),
        ("${oc.env:NOT_SET_ANYWHERE}", "Environment variable 'NOT_SET_ANYWHERE' not found"),
        ("${nothing:3}", "Unsupported interpolation type nothing"),
    ],
)
def test_an_interpolation_that_leads_nowhere_is_named(value, reason):
    with pytest.raises(UserError, match=r"^a\.b has no usable value: ") as refused:
        plain(OmegaConf.create({"a": {"b": value}}))
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "name",
    [
        *("WANDB_API_KEY", "MY_APIKEY", "HF_TOKEN", "token", "DB_PASSWORD", "PGPASSWORD"),
        *("AWS_SECRET_ACCESS_KEY", "CLIENT_SECRET", "GOOGLE_APPLICATION_CREDENTIALS"),
        *("GITHUB_PAT", "MYSQL_PWD", "GPG_PASSPHRASE"),
    ],
)
def test_names_that_say_secret(name):
    assert secrets({name: "long-enough"}) == ["long-enough"]


@pytest.mark.parametrize(
    "name", ["HOME", "MONKEY", "TOKENIZERS_PARALLELISM", "KEYBOARD", "PATH", "PWD"]
)
def test_names_that_do_not(name):
    assert secrets({name: "long-enough"}) == []


def test_short_or_blank_values_are_no_secrets():
    assert secrets({"A_KEY": "1234567", "B_KEY": " " * 9, "C_KEY": ""}) == []


def test_longer_secrets_go_first_so_that_no_rest_remains(monkeypatch):
    monkeypatch.setenv("A_TOKEN", "abcdefgh")
    monkeypatch.setenv("B_TOKEN", "abcdefgh-and-more")
    found = secrets()
    assert found.index("abcdefgh-and-more") < found.index("abcdefgh")
    assert redacted("x abcdefgh-and-more y abcdefgh") == "x <redacted> y <redacted>"


def test_what_a_config_takes_from_the_environment_is_redacted(monkeypatch):
    monkeypatch.setenv("FOO_TOKEN", "s3cret-and-long")
    monkeypatch.setenv("FOO_NOTE", "harmless")
    config = {"a": "${oc.env:FOO_TOKEN}", "b": ["x-${a}"], "c": "${oc.env:FOO_NOTE}", "d": 3}
    raw, resolved = plain(OmegaConf.create(config))
    assert raw == config
    assert resolved == {"a": "<redacted>", "b": ["x-<redacted>"], "c": "harmless", "d": 3}
