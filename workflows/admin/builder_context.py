"""What a step's form offers to choose from: other steps, variables, connections, workflows, people."""

from django.contrib.auth import get_user_model

from tenants.models import Connection
from workflows.admin.config_form import EditorContext
from workflows.domain.drafts import DraftContent
from workflows.models import Workflow
from workflows.services.files import draft_data
from workflows.services.variables import list_variables

MOST = 200


def editor_context(workflow: Workflow, content: DraftContent, key: str, *, of_review: bool = False) -> EditorContext:
    """Return what the form of the step `key` offers; that of its review sees what the step itself gives, too."""
    keys = content.keys
    place = keys.index(key) if key in keys else len(keys)
    steps = [(step.key, step.name) for step in content.steps]
    others = Workflow.objects.filter(tenant=workflow.tenant_id).exclude(pk=workflow.pk).order_by("name")
    people = get_user_model().objects.filter(memberships__tenant=workflow.tenant_id).order_by("username")
    connections = Connection.objects.for_tenant(workflow.tenant_id).order_by("slug")
    return EditorContext(
        variables=list_variables(draft_data(workflow, content), key, own_output=of_review),
        later_steps=steps[place + 1 :],
        earlier_steps=steps[:place],
        connections=list(connections.values_list("slug", "kind", "name")[:MOST]),
        workflows=list(others.values_list("slug", "name")[:MOST]),
        people=list(people.values_list("username", flat=True)[:MOST]),
    )
