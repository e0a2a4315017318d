"""The avatars that ship with Lipstream, one folder a package."""
