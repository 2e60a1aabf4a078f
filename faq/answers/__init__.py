"""Texts and contents of answers, without a database."""
