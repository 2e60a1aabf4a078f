"""The editors' desk: Django's admin for working copies. One module for each group of models or pages."""

from . import accounts, collections, questions, reports, search, sources

__all__ = ["accounts", "collections", "questions", "reports", "search", "sources"]
