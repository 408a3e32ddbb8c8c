from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def seal_what_is_published(apps: Any, schema_editor: Any) -> None:
    """What was published before stays as it is from now on; the triggers that see to it come after the migrations."""
    apps.get_model("workflows", "WorkflowVersion").objects.filter(number__isnull=False).update(sealed=True)


class Migration(migrations.Migration):

    dependencies = [
        ('workflows', '0006_builder'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Release',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('published', 'Published'), ('shared', 'Shared'), ('ended', 'Ended'), ('rolled_back', 'Rolled Back'), ('undone', 'Undone')], max_length=20)),
                ('share', models.PositiveSmallIntegerField(default=100)),
                ('was_share', models.PositiveSmallIntegerField(default=0)),
                ('at', models.DateTimeField()),
                ('actor', models.CharField(blank=True, default='', help_text='A name where it was no user: a key.', max_length=100)),
                ('reason', models.CharField(blank=True, default='', max_length=500)),
            ],
            options={
                'ordering': ('id',),
            },
        ),
        migrations.AddField(
            model_name='workflow',
            name='dissolving',
            field=models.BooleanField(default=False, editable=False, help_text='It is being deleted whole, and only so may its versions go.'),
        ),
        migrations.AddField(
            model_name='workflowversion',
            name='sealed',
            field=models.BooleanField(default=False, editable=False, help_text='Published with all its steps.'),
        ),
        migrations.AddConstraint(
            model_name='workflowversion',
            constraint=models.CheckConstraint(condition=models.Q(('sealed', False), ('number__isnull', False), _connector='OR'), name='version_sealed_is_published'),
        ),
        migrations.AddField(
            model_name='release',
            name='by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='release',
            name='version',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='workflows.workflowversion'),
        ),
        migrations.AddField(
            model_name='release',
            name='was_live',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='workflows.workflowversion'),
        ),
        migrations.AddField(
            model_name='release',
            name='was_next',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='workflows.workflowversion'),
        ),
        migrations.AddField(
            model_name='release',
            name='workflow',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='releases', to='workflows.workflow'),
        ),
        migrations.RunPython(seal_what_is_published, migrations.RunPython.noop),
    ]
