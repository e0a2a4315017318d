"""Recordings of sessions: what was said to them and which pictures came back, so that they can be run again."""
