"""Benchmarks: they print what they measured and how to repeat it; nothing here is a test."""
