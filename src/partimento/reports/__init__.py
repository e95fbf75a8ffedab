"""Reports: what a person sees and hears of a piece: piano rolls, audio, MIDI and notation."""
