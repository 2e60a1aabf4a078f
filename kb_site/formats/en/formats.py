"""English dates with the month as a word: day and month cannot be confused."""

DATE_FORMAT = "j F Y"
DATETIME_FORMAT = "j F Y, H:i"
