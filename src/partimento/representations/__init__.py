"""Music to tensors and back: one file per representation, each with its distribution."""
