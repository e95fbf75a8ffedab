"""Commands: thin Hydra mains behind one wrapper that turns mistakes into sentences."""
