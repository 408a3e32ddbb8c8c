"""An app's rows are written by that app alone: others read them, hold foreign keys to them, and call its services."""

import ast
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

APPS = ("tenants", "workflows", "jobs", "automations", "learning")
WRITES = {
    "create", "bulk_create", "update", "bulk_update", "delete", "get_or_create", "update_or_create", "save",
    "select_for_update",
}  # fmt: skip


def foreign_models(tree: ast.AST, app: str) -> set[str]:
    """Return the names under which a module knows the models of other apps."""
    others = {f"{other}.models" for other in APPS if other != app}
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return {
        alias.asname or alias.name
        for node in imports
        if node.module and any(node.module == name or node.module.startswith(f"{name}.") for name in others)
        for alias in node.names
    }


def root(node: ast.expr) -> str:
    """Return the name that a chain of attributes and calls begins with."""
    while isinstance(node, ast.Attribute | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def writes(source: str, app: str) -> Iterator[str]:
    """Yield what a module of `app` writes to rows of other apps."""
    tree = ast.parse(source)
    models = foreign_models(tree, app)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        made = isinstance(node.func, ast.Name) and node.func.id in models
        changed = isinstance(node.func, ast.Attribute) and node.func.attr in WRITES and root(node.func) in models
        if made or changed:
            yield f"line {node.lineno}: {ast.unparse(node.func)}"


def test_no_app_writes_the_rows_of_another() -> None:
    base = Path(settings.BASE_DIR)
    found = [
        f"{path.relative_to(base)}, {what}"
        for app in (*APPS, "taskflow")
        for path in sorted((base / app).rglob("*.py"))
        if "migrations" not in path.parts
        for what in writes(path.read_text(), app)
    ]
    assert found == []


def test_a_write_to_the_rows_of_another_app_is_found() -> None:
    source = """
from jobs.models import Job
from tenants.models import Tenant as Customer
from workflows.models.steps import Step

Job.objects.create()
Customer.objects.filter(pk=1).update(name="x")
Step(key="a").save()
list(Customer.objects.all())
"""
    assert list(writes(source, "jobs")) == [
        "line 7: Customer.objects.filter(pk=1).update",
        "line 8: Step(key='a').save",
        "line 8: Step",
    ]
