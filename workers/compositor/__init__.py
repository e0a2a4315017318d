"""Mouth patch + template frame -> JPEG."""
