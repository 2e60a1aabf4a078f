"""The editors' desk: Django's admin over the working copies. One file for each family of models or pages."""

from . import accounts, collections, questions, reports, search, sources

__all__ = ["accounts", "collections", "questions", "reports", "search", "sources"]
