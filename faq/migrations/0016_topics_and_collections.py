from django.db import migrations, models
from django.db.models import OuterRef, Subquery


def note_public(apps, schema_editor):
    """Topics on a question that is or was public have had a public page."""
    Topic, Edition = apps.get_model('faq', 'Topic'), apps.get_model('faq', 'Edition')
    first = Edition.objects.filter(question__topics=OuterRef('pk')).order_by('published_at')
    Topic.objects.update(public_since=Subquery(first.values('published_at')[:1]))


class Migration(migrations.Migration):

    dependencies = [
        ('faq', '0014_flat_lists'),
    ]

    operations = [
        migrations.CreateModel(
            name='RetiredTopic',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('slug', models.SlugField(unique=True)),
                ('name', models.CharField(max_length=100)),
                ('retired_at', models.DateTimeField()),
            ],
        ),
        migrations.AddField(
            model_name='topic',
            name='public_since',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name='collection',
            name='proposed',
            field=models.JSONField(blank=True, editable=False, null=True, serialize=False),
        ),
        migrations.AlterField(
            model_name='event',
            name='act',
            field=models.CharField(choices=[('imported', 'imported'), ('saved', 'saved'), ('submitted', 'submitted for review'), ('returned', 'sent back'), ('published', 'published'), ('withdrawn', 'withdrawn'), ('restored', 'restored an earlier edition'), ('discarded', 'discarded changes'), ('checked', 'checked'), ('settled', 'settled a seed conflict'), ('shown', 'made a link to the draft'), ('changed', 'changed the collection'), ('proposed', 'proposed for the collection'), ('confirmed', 'confirmed for the collection'), ('declined', 'declined for the collection')], editable=False, max_length=10),
        ),
        migrations.AlterField(
            model_name='event',
            name='question',
            field=models.PositiveIntegerField(editable=False, null=True),
        ),
        # Last: on PostgreSQL no table can be altered in a transaction that has changed its rows.
        migrations.RunPython(note_public, migrations.RunPython.noop),
    ]
