"""What is logged and printed holds no secret of the environment, tracebacks included."""

from __future__ import annotations

import logging

import pytest
from omegaconf import OmegaConf

from partimento.apps.command import report
from partimento.apps.redaction import RedactingFormatter
from partimento.config import conf_dir

SECRET = "s3cret-and-long"


@pytest.fixture(autouse=True)
def token(monkeypatch):
    monkeypatch.setenv("FOO_TOKEN", SECRET)


def test_a_log_line_and_its_traceback(caplog):
    try:
        raise ValueError(f"no {SECRET} here")
    except ValueError:
        logging.getLogger("test").exception("job with %s", SECRET)
    text = RedactingFormatter("%(name)s %(message)s").format(caplog.records[-1])
    assert text.startswith("test job with <redacted>\nTraceback (most recent call last)")
    assert text.endswith("ValueError: no <redacted> here")
    assert SECRET not in text


@pytest.mark.parametrize("debug", ["0", "1"])
def test_what_a_person_is_told(capsys, monkeypatch, debug):
    monkeypatch.setenv("PARTIMENTO_DEBUG", debug)
    with pytest.raises(ValueError, match=SECRET) as raised:
        raise ValueError(f"no {SECRET} here")
    assert report(raised.value, [], "train") == 1
    err = capsys.readouterr().err
    assert "partimento: Unexpected ValueError: no <redacted> here" in err
    assert ("Traceback" in err) == (debug == "1")
    assert SECRET not in err


@pytest.mark.parametrize("name", ["train", "generate", "evaluate"])
def test_every_command_logs_through_it(name):
    hydra = OmegaConf.load(conf_dir() / f"{name}.yaml").hydra
    path = f"{RedactingFormatter.__module__}.{RedactingFormatter.__name__}"
    for logging_config in (hydra.hydra_logging, hydra.job_logging):
        assert logging_config.formatters.simple["class"] == path
