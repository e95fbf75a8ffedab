"""How files of music become pieces: one file per format, none of which knows a dataset."""
