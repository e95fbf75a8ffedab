"""Statistics of music, of one piece or between sets of pieces, and the metrics around them."""
