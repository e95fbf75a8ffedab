"""What is measured: pure functions first, then a torchmetrics.Metric around them."""
