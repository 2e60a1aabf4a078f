"""Dates in English without an order that half of the readers would take for another one."""

DATE_FORMAT = "j F Y"
DATETIME_FORMAT = "j F Y, H:i"
