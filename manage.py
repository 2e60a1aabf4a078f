#!/usr/bin/env python
"""Django's command line for this project."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kb_site.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import OperationalError, ProgrammingError

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        # A wrong setting is the operator's to mend: words help, a traceback does not.
        sys.exit(f"The settings do not fit: {error}")
    except (OperationalError, ProgrammingError) as error:
        from kb_site.commands import explain_database_error

        sys.exit(explain_database_error(error))
