"""Background jobs: render a file, export a recording, build an avatar's frames, prune recordings."""
