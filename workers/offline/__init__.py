"""Whole recordings at once: the stages' own functions without Redis, audio files in, videos out."""
