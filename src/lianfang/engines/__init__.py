"""Pure machinery: no I/O, no clock. Time is an argument."""
