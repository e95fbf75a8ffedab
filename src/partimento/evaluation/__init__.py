"""The numbers beside a model: simple baselines, one evaluation for all, and the printed table."""
