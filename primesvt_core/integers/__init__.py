"""A spiking network in integers: int8 weights, thresholds in units of each channel's currents, leaks by shifts."""
