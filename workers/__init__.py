"""The stages of the pipeline: audio -> inference -> compositor."""
