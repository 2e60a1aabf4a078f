from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("faq", "0005_states")]

    operations = [
        migrations.AddConstraint(
            model_name='question',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('live__isnull', False), ('state__in', ['changed', 'public'])), models.Q(('live__isnull', True), ('state', 'withdrawn'), ('withdrawn_at__isnull', False)), models.Q(('live__isnull', True), ('state', 'draft'), ('withdrawn_at__isnull', True)), _connector='OR'), name='question_state_fits'),
        ),
    ]
