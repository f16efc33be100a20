"""Rules as machine code: the formula is traced, written out as C, compiled once on the machine, and called."""
