"""The ground that every part of Lipstream shares; knows nothing of the stages above it."""
