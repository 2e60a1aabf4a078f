import tomllib
from pathlib import Path

from django.db import migrations

import faq.search


def fill(apps, schema_editor):
    """The synonyms that the site starts with. One that is there already is the editors' and stays."""
    from faq.search import synonyms

    Synonym = apps.get_model("faq", "Synonym")
    text = (Path(faq.search.__file__).parent / "vocabulary.toml").read_text()
    for group in tomllib.loads(text).values():
        for words, means in group.items():
            Synonym.objects.get_or_create(key=synonyms.key_of(words), defaults={"words": words, "means": means})


class Migration(migrations.Migration):
    dependencies = [
        ("faq", "0008_search"),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop, elidable=False),
    ]
