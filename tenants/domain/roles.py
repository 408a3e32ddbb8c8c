"""Who may do what: roles of members, scopes of API keys."""

from enum import StrEnum


class Role(StrEnum):
    """What a member may do in a tenant, from most to least."""

    OWNER = "owner"
    EDITOR = "editor"
    OPERATOR = "operator"
    REVIEWER = "reviewer"
    VIEWER = "viewer"


class Scope(StrEnum):
    """What an API key may do. `FLEET` reaches beyond its tenant: whole queues, for the operator of the deployment."""

    JOBS_READ = "jobs:read"
    JOBS_WRITE = "jobs:write"
    WORKFLOWS_READ = "workflows:read"
    QUEUES_READ = "queues:read"
    QUEUES_WRITE = "queues:write"
    FLEET = "fleet"


TENANT_SCOPES = tuple(scope for scope in Scope if scope is not Scope.FLEET)
