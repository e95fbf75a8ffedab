"""`partimento evaluate`: a harmoniser's table beside baselines, or what a generator's samples are."""

from __future__ import annotations

from omegaconf import DictConfig

from partimento.apps.command import command


@command("evaluate", free_text=("run", "cache"))
def main(config: DictConfig) -> None:
    """Print the tables and write them into the run folder, as evaluation.json and beside it."""
    import os

    from partimento.config import EvaluateConfig, check, plain
    from partimento.evaluation.run import evaluate

    raw, resolved = plain(config)
    check(raw, resolved, EvaluateConfig)
    done = evaluate(
        resolved["run"],
        **{
            name: resolved[name]
            for name in ("baselines", "count", "temperature", "seed", "cache", "trusted_packages")
        },
    )
    print(done.text)
    print(f"All values: {os.path.relpath(done.path)}")


if __name__ == "__main__":
    main()
