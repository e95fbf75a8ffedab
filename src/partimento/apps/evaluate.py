"""`partimento evaluate`: a trained model's table of metrics beside baselines on the same split."""

from __future__ import annotations

from omegaconf import DictConfig

from partimento.apps.command import command


@command("evaluate", free_text=("run", "cache"))
def main(config: DictConfig) -> None:
    """Print the table and write it as evaluation.json into the run folder."""
    import os

    from partimento.config import EvaluateConfig, check, plain
    from partimento.evaluation.run import evaluate_run
    from partimento.evaluation.table import format_table

    raw, resolved = plain(config)
    check(raw, resolved, EvaluateConfig)
    path, rows = evaluate_run(
        resolved["run"],
        baselines=resolved["baselines"],
        cache=resolved["cache"],
        trusted_packages=resolved["trusted_packages"],
    )
    print(format_table(rows))
    print(f"nll: nats per predicted cell. All values: {os.path.relpath(path)}")


if __name__ == "__main__":
    main()
