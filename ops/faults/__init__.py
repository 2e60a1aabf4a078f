"""The site with things taken away from it: `make faults` (see `__main__`)."""
