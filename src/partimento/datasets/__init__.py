"""Where music comes from: one file per corpus, each yielding pieces, and the readers they share."""
