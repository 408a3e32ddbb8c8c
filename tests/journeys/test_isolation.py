"""Nobody reaches another tenant's rows: every route and every registered admin is tried with the other tenant's ids.

The walk reads the map of addresses itself. A route or a model that it does not know how to fill fails it: then say in
`routes` what its parameters are, or in `belongings` whose the model is.
"""

import pytest
from django.apps import apps
from django.contrib import admin

from jobs.models import (
    WorkerLease,
)
from tenants.models import ApiKey, Tenant
from tests.factories import (
    make_user,
)
from tests.journeys.belongings import SHARED, TENANT_PATHS, WORD, Belongings, state_of
from tests.journeys.routes import OPERATORS_ONLY, Route, addresses, all_routes, values_for
from tests.journeys.visitors import leaks, log_in, members


def test_every_model_of_ours_has_a_tenant_or_is_known_to_have_none() -> None:
    ours = [
        model
        for app in ("tenants", "workflows", "jobs", "automations")
        for model in apps.get_app_config(app).get_models()
    ]
    assert {model._meta.label for model in ours} == set(TENANT_PATHS) | SHARED


def test_every_registered_admin_is_walked(mine: Belongings) -> None:
    registered = {model._meta.label for model in admin.site._registry}
    assert registered == set(mine.ids) | OPERATORS_ONLY | {"jobs.Queue", "jobs.WorkerLease"}


def test_the_walk_sees_the_whole_map() -> None:
    routes = [route.text for route in all_routes()]
    assert len(routes) == len(set(routes))
    assert {"health", "api/v1/jobs/<uuid:uid>", "admin/jobs/job/<path:object_id>/change/"} <= set(routes)


@pytest.mark.slow
def test_in_the_admin_what_is_theirs_does_not_exist(mine: Belongings, theirs: Belongings) -> None:
    before, problems = state_of(theirs), []
    for name, client in members(mine):
        for route in all_routes():
            if not route.text.startswith("admin/") or addresses(route) is not None:
                continue
            for values in values_for(route, theirs):
                for method in ("get", "post"):
                    answer = getattr(client, method)(route.fill(values), follow=True)
                    if answer.status_code not in {404, 405} or leaks(answer):
                        problems.append((name, method, route.fill(values), answer.status_code))
    assert problems == []
    assert state_of(theirs) == before


@pytest.mark.slow
def test_in_the_admin_what_is_mine_exists_and_shows_nothing_of_theirs(mine: Belongings, theirs: Belongings) -> None:
    """Proves that the 404s above are for the tenant's sake, and looks for leaks in choices, filters and inlines."""
    client, problems = log_in(mine.cast.owner), []
    for route in all_routes():
        if not route.text.startswith("admin/") or addresses(route) is not None or route.text.startswith("admin/r/"):
            continue
        answers = [client.get(route.fill(values), follow=True) for values in values_for(route, mine)]
        if all(answer.status_code == 404 for answer in answers) or any(map(leaks, answers)):
            problems.append((route.text, [answer.status_code for answer in answers]))
    assert problems == []


@pytest.mark.slow
def test_pages_without_an_id_show_and_change_nothing_of_theirs(mine: Belongings, theirs: Belongings) -> None:
    before, problems = state_of(theirs), []
    for name, client in members(mine):
        for route in all_routes():
            for address in addresses(route) or ():
                for method in ("get", "post"):
                    if route.name == "logout":
                        continue
                    answer = getattr(client, method)(address)
                    if leaks(answer) or answer.status_code == 500:
                        problems.append((name, method, address, answer.status_code))
    assert problems == []
    assert state_of(theirs) == before


def test_what_is_the_operators_is_refused_to_members(mine: Belongings) -> None:
    problems = []
    for name, client in members(mine):
        for route in all_routes():
            if route.model not in OPERATORS_ONLY:
                continue
            for address in addresses(route) or ():
                status = client.get(address, follow=True).status_code
                if status not in {403, 404}:
                    problems.append((name, address, status))
    assert problems == []


@pytest.mark.slow
def test_searches_and_choices_find_nothing_of_theirs(mine: Belongings, theirs: Belongings) -> None:
    part, problems = WORD[:-2], []
    for name, client in members(mine):
        for model in admin.site._registry:
            base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
            tried = [f"{base}?q={part}", f"/admin/search/?s={part}&extended=1", f"/admin/?q={part}"]
            for field in model._meta.fields:
                if field.is_relation:
                    asked = f"app_label={model._meta.app_label}&model_name={model._meta.model_name}"
                    tried.append(f"/admin/autocomplete/?{asked}&field_name={field.name}&term={part}")
            problems += [(name, address) for address in tried if leaks(client.get(address, follow=True))]
    assert problems == []


@pytest.mark.slow
def test_actions_on_lists_do_not_touch_what_is_theirs(mine: Belongings, theirs: Belongings) -> None:
    before, tried = state_of(theirs), 0
    client = log_in(mine.cast.owner)
    for model, page in admin.site._registry.items():
        for action in [*(page.actions or ()), "delete_selected"]:
            name = action if isinstance(action, str) else action.__name__
            ids = theirs.ids.get(model._meta.label, [])
            form = {"action": name, "_selected_action": ids[:1], "post": "yes", "select_across": "1"}
            answer = client.post(f"/admin/{model._meta.app_label}/{model._meta.model_name}/", form, follow=True)
            assert not leaks(answer), (model, name)
            tried += 1
    assert tried >= len(admin.site._registry)
    assert state_of(theirs) == before


@pytest.mark.parametrize("scope", ["ticked", "all"])
def test_a_bulk_action_takes_only_jobs_of_ones_own(mine: Belongings, theirs: Belongings, scope: str) -> None:
    before = state_of(theirs)
    for kind in ("retry", "cancel", "requeue"):
        form = {"kind": kind, "scope": scope, "job": [str(theirs.job.uid)], "query": "", "confirmed": "1"}
        answer = log_in(mine.cast.owner).post("/admin/jobs/bulkaction/start/", form, follow=True)
        assert not leaks(answer)
    assert state_of(theirs) == before
    form |= {"workflow": theirs.workflow.slug, "scope": "all"}
    assert log_in(mine.cast.owner).post("/admin/jobs/bulkaction/start/", form).status_code in {302, 404}
    assert state_of(theirs) == before


@pytest.mark.slow
def test_a_member_of_nothing_sees_nothing(mine: Belongings, theirs: Belongings) -> None:
    client, problems = log_in(make_user()), []
    for route in all_routes():
        if not route.text.startswith("admin/"):
            continue
        known = addresses(route)
        for address in [route.fill(values) for values in values_for(route, theirs)] if known is None else known:
            answer = client.get(address, follow=True)
            if leaks(answer) or "acme" in answer.content.decode() or "some-host" in answer.content.decode():
                problems.append((address, answer.status_code))
    assert problems == []


def test_a_route_nobody_described_fails_the_walk(mine: Belongings) -> None:
    for text in (
        "admin/jobs/job/<int:number>/export/",
        "api/v2/things/<uuid:uid>",
        "admin/new/thing/<path:object_id>/",
    ):
        with pytest.raises(pytest.fail.Exception, match="is new"):
            values_for(Route(text, None), mine)
    with pytest.raises(pytest.fail.Exception, match="is new"):
        addresses(Route("files/^(?P<name>.*)$", None))


def test_the_rows_that_are_walked_are_those_that_are_meant(mine: Belongings, theirs: Belongings) -> None:
    assert {label for label, rows in state_of(theirs).items() if not rows} <= {
        "jobs.StepPace",
        "jobs.IdempotencyKey",
        "tenants.ConnectionSpend",
    }
    assert WorkerLease.objects.count() == 1
    assert Tenant.objects.count() == ApiKey.objects.count() == 2
