"""README tells the truth: tables from result files, config groups that exist, files that exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def test_tables_are_those_of_the_result_files():
    command = [sys.executable, str(ROOT / "scripts" / "update_readme.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_config_groups_are_those_of_conf():
    table = README.split("## Config groups")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", table, re.MULTILINE)
    told = {name: set(re.findall(r"`(\w+)`", options)) for name, options in rows}
    shipped = {
        folder.name: {path.stem for path in folder.glob("*.yaml")}
        for folder in (ROOT / "conf").iterdir()
        if folder.is_dir()
    }
    assert told == shipped


def test_nested_groups_of_the_model_are_told():
    row = next(line for line in README.splitlines() if line.startswith("| `model` |"))
    for folder in (ROOT / "conf" / "model").iterdir():
        if folder.is_dir():
            assert f"`model/{folder.name}`" in row
            for option in folder.glob("*.yaml"):
                assert f"`{option.stem}`" in row


@pytest.mark.parametrize("name", sorted(set(re.findall(r"scripts/\w+\.py", README))))
def test_scripts_exist(name):
    assert (ROOT / name).is_file()


@pytest.mark.parametrize("name", re.findall(r"\]\(([\w./-]+)\)", README))
def test_links_lead_somewhere(name):
    assert (ROOT / name).is_file()
