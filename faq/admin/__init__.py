"""The editors' desk: Django's admin over the working copies. One file for each family of models."""

from . import accounts, collections, questions, readers, searching

__all__ = ["accounts", "collections", "questions", "readers", "searching"]
