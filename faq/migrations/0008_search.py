import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """What search looks at is derived: the old table goes, and `migrate` fills the new ones when it is done."""

    dependencies = [
        ('faq', '0007_backups'),
    ]

    operations = [
        migrations.DeleteModel('SearchText'),
        migrations.CreateModel(
            name='Synonym',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('words', models.CharField(help_text='What readers type, such as “jail hold”. With a star at the end, every word that begins so: deport*', max_length=80)),
                ('means', models.CharField(help_text='Words that the answers use for it, with commas between them: detainer, custody', max_length=200)),
                ('key', models.CharField(editable=False, max_length=200, unique=True)),
            ],
            options={
                'ordering': ['words'],
            },
        ),
        migrations.CreateModel(
            name='MissedSearch',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('words', models.CharField(editable=False, max_length=100)),
                ('day', models.DateField(db_index=True, editable=False)),
                ('count', models.PositiveIntegerField(default=1, editable=False)),
            ],
            options={
                'verbose_name_plural': 'missed searches',
                'ordering': ['-day', '-count', 'words'],
                'constraints': [models.UniqueConstraint(fields=('words', 'day'), name='missed_search_once_a_day')],
            },
        ),
        migrations.CreateModel(
            name='SearchKey',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(max_length=41)),
                ('word', models.CharField(max_length=40)),
            ],
            options={
                'indexes': [models.Index(fields=['key'], name='search_key_key'), models.Index(fields=['word'], name='search_key_word')],
            },
        ),
        migrations.CreateModel(
            name='SearchText',
            fields=[
                ('question', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='search_text', serialize=False, to='faq.question')),
                ('title', models.TextField()),
                ('short', models.TextField()),
                ('labels', models.TextField()),
                ('found_by', models.TextField()),
                ('points', models.TextField()),
                ('words', models.TextField()),
                ('edition', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='faq.edition')),
            ],
        ),
        migrations.CreateModel(
            name='SearchWord',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('word', models.CharField(max_length=40)),
                ('stem', models.CharField(max_length=40)),
                ('questions', models.IntegerField()),
                ('firsts', models.IntegerField()),
            ],
            options={
                'indexes': [models.Index(fields=['stem'], name='search_word_stem')],
            },
        ),
    ]
