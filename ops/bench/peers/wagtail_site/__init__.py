"""A Wagtail site as `wagtail start` makes it, with one kind of page.

It shows what our question page shows: the question, its points, its keywords, where it stands, and its neighbours. With
its own best settings: templates cached, connections that stay open, SQLite in WAL."""
