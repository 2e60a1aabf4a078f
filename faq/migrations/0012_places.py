from django.db import migrations

NUMBERS = 2**30


def renumber(apps, schema_editor):
    """Questions get the key that their place makes, in all tables at once. What is sealed keeps its words."""
    connection, Question = schema_editor.connection, apps.get_model('faq', 'Question')
    with connection.cursor() as cursor:
        if connection.vendor == 'sqlite':
            cursor.execute('DROP TRIGGER IF EXISTS faq_edition_no_update')
            # The full-text index is derived. `migrate` makes and fills it when it is done.
            for act in ('insert', 'update', 'delete'):
                cursor.execute(f'DROP TRIGGER IF EXISTS faq_search_{act}')
            cursor.execute('DROP TABLE IF EXISTS faq_search')
        else:
            cursor.execute('DROP TRIGGER IF EXISTS faq_edition_no_update ON faq_edition')
        place = f'SELECT q.collection_id * {NUMBERS} + q.number FROM faq_question q WHERE q.id'
        for model in apps.get_models(include_auto_created=True):
            for field in model._meta.concrete_fields:
                if field.remote_field and field.remote_field.model is Question:
                    table, column = model._meta.db_table, field.column
                    cursor.execute(f'UPDATE {table} SET {column} = ({place} = {table}.{column})')
        cursor.execute(
            f'UPDATE django_admin_log SET object_id = CAST(({place} = CAST(object_id AS bigint)) AS text) '
            "WHERE content_type_id IN (SELECT id FROM django_content_type WHERE app_label = 'faq' AND model = 'question') "
            'AND object_id IN (SELECT CAST(q.id AS text) FROM faq_question q)'
        )
        cursor.execute(f'UPDATE faq_question SET id = collection_id * {NUMBERS} + number')


class Migration(migrations.Migration):
    """The rows are locked while this runs: about a second for ten thousand questions. Any key will do for the earlier
    version, so there is nothing to take back."""

    dependencies = [
        ('faq', '0011_content_version'),
        ('admin', '0003_logentry_add_action_flag_choices'),
        ('contenttypes', '0002_remove_content_type_name'),
    ]

    operations = [migrations.RunPython(renumber, migrations.RunPython.noop)]
