"""Data: batches, splits, windows, and the LightningDataModule that makes them from a dataset."""

from partimento.data.batch import Batch, Given

__all__ = ["Batch", "Given"]
