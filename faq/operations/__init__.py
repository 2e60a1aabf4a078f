"""Backups, copies of the database, source addresses, and pages for faults."""
