"""The way of an answer from the import to the public, and the log of it."""
