"""The pipeline in simulated time (SimPy): what a plan promises is played, and compared with a real machine."""
