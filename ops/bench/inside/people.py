"""Makes the two people that `editing` needs, before many processes want them at once."""

import django

django.setup()

from ops.bench.inside import editing  # noqa: E402

print([user.pk for user in editing.people()])
