"""Fill README's tables from the committed result files; `--check` says whether they agree."""

from __future__ import annotations

import sys

sys.path.pop(0)  # this folder, whose inspect.py would hide Python's own

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = {
    "nll": "NLL",
    "accuracy": "accuracy",
    "accuracy_no_hold": "without holds",
    "accuracy_onset": "true onsets",
    "accuracy_all_voices": "all voices",
}


def figures(name: str) -> dict[str, Any]:
    """Return the figures of one result file."""
    return json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text())["figures"]


def minibach() -> str:
    """Return the table of MiniBach and its baselines."""
    found = figures("minibach")
    lines = [
        "| | " + " | ".join(COLUMNS.values()) + " |",
        "|---|" + "---:|" * len(COLUMNS),
    ]
    for name, row in found["models"].items():
        cells = [f"{row[c]['mean']:.3f} ± {row[c]['half_width']:.3f}" for c in COLUMNS]
        lines.append(f"| MiniBach, {name} | " + " | ".join(cells) + " |")
    for name, row in found["baselines"].items():
        label = name.replace("_", " ")
        lines.append(f"| {label} | " + " | ".join(f"{row[c]:.3f}" for c in COLUMNS) + " |")
    beaten = found["softmax_beats"]
    lost = [
        f"{name.replace('_', ' ')} in {COLUMNS[figure]}"
        for name, judged in beaten.items()
        for figure, won in judged.items()
        if not won
    ]
    verdict = "The default beats every baseline in NLL and on true onsets"
    verdict += f", except: {'; '.join(lost)}." if lost else "."
    told = [
        f"{name} {row['valid_nll']['mean']:.3f} ± {row['valid_nll']['half_width']:.3f}"
        for name, row in found["models"].items()
    ]
    chosen = f"Validation NLL, by which the default objective is chosen: {', '.join(told)}."
    return "\n".join([*lines, "", verdict, chosen])


def overhead() -> str:
    """Return the sentence about the framework's cost."""
    found = figures("overhead")
    low, high = found["interval"]
    same, (same_low, same_high) = (
        found["median_ratio_same_arithmetic"],
        found["interval_same_arithmetic"],
    )
    return (
        f"median ratio {found['median_ratio']:.3f} (95 % interval {low:.3f} to {high:.3f}, "
        f"{found['pairs']} pairs of {found['epochs']} epochs): runs compute without denormal "
        f"numbers, which a script does not unless it asks for it. Against a loop that does, "
        f"{same:.3f} ({same_low:.3f} to {same_high:.3f})."
    )


TABLES = {"minibach": minibach, "overhead": overhead}


def filled(text: str) -> str:
    """Return README's text with every table made anew."""
    for name, make in TABLES.items():
        start, stop = f"<!-- table: {name} -->\n", "<!-- end -->"
        before, _, rest = text.partition(start)
        after = rest.partition(stop)[2]
        text = f"{before}{start}{make()}\n{stop}{after}"
    return text


def main() -> int:
    """Write README, or with --check compare only."""
    readme = ROOT / "README.md"
    before = readme.read_text()
    after = filled(before)
    if "--check" in sys.argv:
        print("README agrees with the results" if before == after else "README differs")
        return int(before != after)
    readme.write_text(after)
    return 0


if __name__ == "__main__":
    sys.exit(main())
