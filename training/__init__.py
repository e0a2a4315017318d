"""Trains the two networks of the demo avatar: the sound encoder and the painter."""
