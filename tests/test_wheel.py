"""The wheel holds all it needs: built, installed beside no clone, and a run trained with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.full

CLONE = Path(__file__).parents[1]


def run(*command, cwd, check=True):
    """Run a command that cannot see the clone through the environment."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0 or not check, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    run(
        *(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, CLONE),
        cwd=folder,
    )
    (path,) = folder.glob("partimento-*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The folder of the programs of a fresh environment that holds the wheel.

    The packages that it needs come from the present environment, which stands behind the new one.
    """
    home = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", home, cwd=home)
    programs = home / ("Scripts" if os.name == "nt" else "bin")
    python = programs / Path(sys.executable).name
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=home)
    places = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    Path(site.stdout.strip(), "present.pth").write_text("\n".join(sorted(places)) + "\n")
    pip = (sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check")
    run(*pip, "install", "--quiet", "--no-deps", "--no-index", "--force-reinstall", wheel, cwd=home)
    return programs


def test_the_wheel_holds_the_configs_and_nothing_of_the_clone_else(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = {name for name in names if name.startswith("partimento/conf/")}
    configs = (CLONE / "conf").rglob("*.yaml")
    assert shipped == {f"partimento/{path.relative_to(CLONE).as_posix()}" for path in configs}
    modules = (CLONE / "src").rglob("*.py")
    assert names >= {path.relative_to(CLONE / "src").as_posix() for path in modules}
    roots = {name.split("/")[0] for name in names}
    assert {root.partition("-")[0] for root in roots} == {"partimento"}


def test_the_console_command_trains_outside_the_clone(installed, tiny, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    python = installed / Path(sys.executable).name
    code = "import partimento, partimento.config as c; print(partimento.__file__, c.conf_dir())"
    places = run(python, "-c", code, cwd=elsewhere).stdout.split()
    assert all(Path(place).is_relative_to(installed.parent) for place in places)

    run(installed / "partimento", "train", *tiny(outputs="outputs"), cwd=elsewhere)
    (run_json,) = (elsewhere / "outputs").rglob("run.json")
    record = json.loads(run_json.read_text())
    assert record["status"] == "finished"
    assert record["git"] == {"commit": None, "dirty": None}
    assert record["versions"]["partimento"]
    assert 0 < record["metrics"]["test/nll"] < 10


def test_a_wrong_name_is_told_from_the_wheels_own_configs(installed, tiny, tmp_path):
    command = (installed / "partimento", "train", *tiny("model=minbach"))
    done = run(*command, cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        "partimento: config group 'model' has no option 'minbach'. Did you mean 'minibach'?\n"
    )
