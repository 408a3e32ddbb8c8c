"""Job lists and job pages, as people with and without rights ask for them."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from jobs.domain.states import State
from jobs.models import Event, Job
from taskflow.lib.clock import utcnow
from tests.browser.scene import RECEIPT_FIELDS, build_scene, receipts_workflow
from tests.browser.scene_jobs import attempt, failed_job, log, running_job, step_run, succeeded_job, waiting_job
from tests.factories import Cast, User, make_job, make_lease, make_queue, make_user, make_workflow
from workflows.models import Workflow

STRINGS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "{{ 7|add:7 }}{% now 'Y' %}",
    "\u202ereversed\u202c",
    "Ω≈ç√∫ 社會科學院 👩‍👩‍👧‍👦",
    "\x07\x1b[31mred",
    "' OR 1=1 --",
    "a" * 5000,
]


def login(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def story_of(job: Job) -> str:
    return reverse("admin:jobs_job_change", args=[job.uid])


@pytest.fixture
def receipts(acme: Cast) -> Workflow:
    return make_workflow(
        acme.tenant, "receipts", version={"fields": RECEIPT_FIELDS}, label_singular="Receipt", label_plural="Receipts"
    )


def text_of(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200, url
    return response.content.decode()


def test_a_workflow_has_a_list_under_its_own_label_with_its_own_columns(acme: Cast, receipts: Workflow) -> None:
    make_job(receipts, State.SUCCEEDED, result={"company": "Gardenia", "date": "2019-01-15", "total": 42.1})
    text = text_of(login(acme.viewer), "/admin/jobs/job/of/receipts/")
    assert "Receipts | TaskFlow" in text
    for shown in ("Company", "Date", "Total", "Gardenia", "2019-01-15", "42.1"):
        assert shown in text


def test_the_sidebar_names_the_workflows_of_the_current_tenant_only(
    acme: Cast, globex: Cast, receipts: Workflow
) -> None:
    make_workflow(globex.tenant, "secrets", label_plural="Secrets of Globex")
    text = text_of(login(acme.viewer), "/admin/")
    assert ">Receipts</span>" in text
    assert "Secrets of Globex" not in text


def test_a_label_with_markup_is_shown_as_text(acme: Cast) -> None:
    make_workflow(acme.tenant, "bad", label_singular=STRINGS[0], label_plural=STRINGS[0])
    text = text_of(login(acme.viewer), "/admin/")
    assert STRINGS[0] not in text
    assert "&lt;script&gt;alert(1)" in text


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", {"new", "old", "dead", "express"}),
        ("state=dead", {"dead"}),
        ("state=attention", {"dead"}),
        ("state=open", {"new"}),
        ("queue=express", {"express"}),
        ("from=2026-03-02&to=2026-03-02", {"old"}),
        ("from=2026-03-03", {"new", "dead", "express"}),
        ("q=request-7", {"dead"}),
        ("state=dead&queue=express", set()),
    ],
)
def test_filters_narrow_a_list(acme: Cast, receipts: Workflow, query: str, shown: set[str]) -> None:
    at = utcnow()
    jobs = {
        "old": make_job(receipts, State.SUCCEEDED),
        "new": make_job(receipts, State.PENDING, now=at),
        "dead": make_job(receipts, State.DEAD, now=at, correlation_id="request-7"),
        "express": make_job(receipts, State.SUCCEEDED, now=at, queue=make_queue("express")),
    }
    text = text_of(login(acme.viewer), f"/admin/jobs/job/of/receipts/?{query}")
    assert {name for name, job in jobs.items() if str(job.uid) in text} == shown


def test_a_day_begins_at_midnight_in_the_tenants_time_zone(acme: Cast, receipts: Workflow) -> None:
    acme.tenant.time_zone = "Asia/Kuala_Lumpur"
    acme.tenant.save()
    evening = make_job(receipts, now=make_job(receipts).created_at.replace(hour=17))
    text = text_of(login(acme.viewer), "/admin/jobs/job/of/receipts/?from=2026-03-03&to=2026-03-03")
    assert str(evening.uid) in text
    assert "Tue 03 Mar 2026, 01:00:00" in text


@pytest.mark.parametrize(
    "query",
    ["state=nonsense", "queue=nowhere", "from=yesterday", "to=9999-99-99", "to=9999-12-31", "from=0001-01-01"],
)
def test_a_filter_that_makes_no_sense_is_named_and_left_out(acme: Cast, receipts: Workflow, query: str) -> None:
    job = make_job(receipts)
    text = text_of(login(acme.viewer), f"/admin/jobs/job/of/receipts/?{query}")
    assert str(job.uid) in text
    assert 'role="alert"' in text


def test_pages_lead_on_to_older_jobs_and_back(acme: Cast, receipts: Workflow) -> None:
    jobs = [make_job(receipts) for _ in range(120)]
    client, url = login(acme.viewer), "/admin/jobs/job/of/receipts/"
    seen = []
    for _ in range(3):
        response = client.get(url)
        seen += [str(row.job.uid) for row in response.context["rows"]]
        url = f"/admin/jobs/job/of/receipts/?{response.context['older_query']}"
    assert seen == [str(job.uid) for job in reversed(jobs)]
    assert response.context["older_query"] is None
    back = client.get(f"/admin/jobs/job/of/receipts/?{response.context['newer_query']}")
    assert [str(row.job.uid) for row in back.context["rows"]] == seen[50:100]


def test_all_jobs_of_all_states_are_listed_in_order(acme: Cast, receipts: Workflow) -> None:
    tickets = make_workflow(acme.tenant, "tickets")
    jobs = [make_job(workflow, state) for state in State for workflow in (receipts, tickets)]
    response = login(acme.viewer).get("/admin/jobs/job/")
    assert [row.job.uid for row in response.context["rows"]] == [job.uid for job in reversed(jobs)]


def test_searching_for_a_job_id_leads_to_the_job(acme: Cast, receipts: Workflow) -> None:
    job = make_job(receipts)
    response = login(acme.viewer).get("/admin/jobs/job/", {"q": str(job.uid)})
    assert response["Location"] == story_of(job)


def test_a_job_page_tells_its_story(acme: Cast) -> None:
    workflow = receipts_workflow(acme)
    text = text_of(login(acme.viewer), story_of(failed_job(workflow, utcnow())))
    for told in (
        "It was given up",
        "all 3 attempts failed",
        "Send to accounting",
        "Traceback",
        "worker-2:17",
        "876 tokens",
    ):
        assert told in text
    assert "<script>alert(1)" not in text
    succeeded = text_of(login(acme.viewer), story_of(succeeded_job(workflow, utcnow())))
    assert "Sub-job 1" in succeeded
    assert "BLUE ANCHOR" in succeeded


@pytest.mark.slow
def test_hostile_values_break_no_page_and_are_shown_as_text(acme: Cast, receipts: Workflow) -> None:
    now = utcnow()
    steps = [{"key": "extract", "kind": "python", "config": {"function": "echo"}}]
    for position, value in enumerate(STRINGS):
        workflow = make_workflow(acme.tenant, f"w{position}", steps=steps, version={"fields": RECEIPT_FIELDS})
        record = {"text": value, "company": value, "total": [value, {"x": None}], value: value}
        job = make_job(
            workflow,
            State.DEAD,
            payload=record,
            result=record,
            error_class=value[:100],
            error_message=value,
            correlation_id=value[:100],
            source=value[:100],
            cancel_requested_at=now,
        )
        log(job, now, [("created", "PENDING", value[:100], {"reason": value, "jobs": [value]}), ("odd", "", "", value)])
        step_run(job, 0, record, now)
        attempt(job, 1, "failed", now, error_class=value[:100], error_message=value, traceback=value)
        for url in (f"/admin/jobs/job/of/w{position}/", story_of(job), reverse("admin:jobs_job_retry", args=[job.uid])):
            text = text_of(login(acme.operator), url)
            assert "<script>alert(1)" not in text
            assert "<img src=x" not in text
    for url in ("/admin/", "/admin/jobs/job/", "/admin/workflows/workflow/"):
        assert "<script>alert(1)" not in text_of(login(acme.operator), url)


def test_payloads_that_are_no_objects_or_very_large_are_shown(acme: Cast, receipts: Workflow) -> None:
    payloads: list[Any] = [[1, 2], "text", None, 7, {}, {"text": "x" * 900_000}, {"deep": [[[[[[]]]]]]}]
    for payload in payloads:
        job = make_job(receipts, State.SUCCEEDED, payload=payload if payload is not None else {}, result=payload)
        assert len(text_of(login(acme.viewer), story_of(job))) < 400_000
    assert len(text_of(login(acme.viewer), "/admin/jobs/job/of/receipts/")) < 400_000


def test_the_jobs_of_another_tenant_do_not_exist(acme: Cast, globex: Cast) -> None:
    job = failed_job(receipts_workflow(globex), utcnow())
    client = login(acme.owner)
    for name in ("change", "retry"):
        assert client.get(reverse(f"admin:jobs_job_{name}", args=[job.uid])).status_code == 404
    for name in ("retry", "cancel"):
        assert client.post(reverse(f"admin:jobs_job_{name}", args=[job.uid])).status_code == 404
    assert client.get("/admin/jobs/job/of/receipts/").status_code == 404
    assert str(job.uid) not in text_of(client, "/admin/jobs/job/")
    assert client.get("/admin/jobs/job/", {"q": str(job.uid)}).status_code == 200
    job.refresh_from_db()
    assert job.state == State.DEAD


@pytest.mark.parametrize("object_id", ["nonsense", "1", "684e5ef4-80b7-4880-ab07-ffd371b97467"])
def test_an_id_that_no_job_has_is_not_found(acme: Cast, object_id: str) -> None:
    assert login(acme.viewer).get(f"/admin/jobs/job/{object_id}/change/").status_code == 404


def test_who_is_no_member_anywhere_sees_no_jobs(acme: Cast, receipts: Workflow) -> None:
    client = login(make_user("stranger@example.test"))
    assert client.get("/admin/jobs/job/").status_code == 403
    assert client.get(story_of(make_job(receipts))).status_code == 404
    assert client.get("/admin/").status_code == 200


def test_a_member_of_several_tenants_chooses_one(acme: Cast, globex: Cast, receipts: Workflow) -> None:
    globex.tenant.memberships.create(user=acme.viewer, role="viewer")
    client = login(acme.viewer)
    assert "?tenant=globex" in text_of(client, "/admin/jobs/job/")
    client.get("/admin/jobs/job/?tenant=acme")
    assert "Receipts" in text_of(client, "/admin/jobs/job/")


def test_nobody_adds_edits_or_deletes_a_job_by_hand(acme: Cast, receipts: Workflow) -> None:
    job = make_job(receipts)
    root = make_user("root@example.test", is_superuser=True)
    for user in (acme.owner, root):
        client = login(user)
        assert client.get("/admin/jobs/job/add/").status_code == 403
        assert client.post(f"/admin/jobs/job/{job.uid}/delete/", {"post": "yes"}).status_code == 403
    assert Job.objects.filter(pk=job.pk).exists()


@pytest.mark.parametrize("role", ["owner", "editor", "operator"])
def test_an_operator_retries_a_dead_job_from_where_it_stopped(acme: Cast, role: str) -> None:
    job = failed_job(receipts_workflow(acme), utcnow())
    response = login(getattr(acme, role)).post(reverse("admin:jobs_job_retry", args=[job.uid]))
    assert response["Location"] == story_of(job)
    job.refresh_from_db()
    assert (job.state, job.position) == (State.PENDING, 2)
    assert Event.objects.filter(job=job).latest("pk").actor == f"{role}@acme.test"


def test_a_retry_may_begin_at_an_earlier_step_with_another_payload(acme: Cast) -> None:
    job = failed_job(receipts_workflow(acme), utcnow())
    form = {"from_step": "extract", "payload": '{"text": "TOTAL 9.90"}'}
    login(acme.operator).post(reverse("admin:jobs_job_retry", args=[job.uid]), form)
    job.refresh_from_db()
    assert (job.state, job.position, job.payload) == (State.PENDING, 0, {"text": "TOTAL 9.90"})


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ({"from_step": "extract", "payload": "{"}, "not JSON"),
        ({"from_step": "extract", "payload": "[1]"}, "JSON object"),
        ({"from_step": "extract", "payload": '{"text": NaN}'}, "NaN"),
        ({"from_step": "extract", "payload": "{}"}, "text"),
        ({"from_step": "nowhere", "payload": '{"text": "x"}'}, "valid choice"),
        ({"from_step": "extract", "payload": "[" * 5000}, "nested"),
    ],
)
def test_a_retry_that_cannot_be_is_refused_with_the_reason(acme: Cast, form: dict[str, str], reason: str) -> None:
    job = failed_job(receipts_workflow(acme), utcnow())
    response = login(acme.operator).post(reverse("admin:jobs_job_retry", args=[job.uid]), form)
    assert response.status_code == 200
    assert reason in response.content.decode()
    job.refresh_from_db()
    assert job.state == State.DEAD


@pytest.mark.parametrize("role", ["viewer", "reviewer"])
def test_who_may_only_look_is_offered_no_action_and_refused_one(acme: Cast, role: str) -> None:
    workflow = receipts_workflow(acme)
    failed, running = failed_job(workflow, utcnow()), running_job(workflow, utcnow(), make_lease().pk)
    client = login(getattr(acme, role))
    text = text_of(client, story_of(failed)) + text_of(client, "/admin/jobs/job/")
    assert "/retry/" not in text
    assert 'name="kind"' not in text
    for name, job in (("retry", failed), ("cancel", running)):
        assert client.post(reverse(f"admin:jobs_job_{name}", args=[job.uid])).status_code == 403


def test_a_waiting_job_is_cancelled_at_once_and_a_running_one_is_asked_to_stop(acme: Cast) -> None:
    workflow, now = receipts_workflow(acme), utcnow()
    waiting, running = waiting_job(workflow, now), running_job(workflow, now, make_lease().pk)
    succeeded, client = succeeded_job(workflow, now), login(acme.operator)
    for job in (waiting, running, succeeded):
        client.post(reverse("admin:jobs_job_cancel", args=[job.uid]))
        job.refresh_from_db()
    assert waiting.state == State.CANCELLED
    assert running.cancel_requested_at is not None
    assert succeeded.state == State.SUCCEEDED


def test_a_cancel_needs_a_post(acme: Cast, receipts: Workflow) -> None:
    job = make_job(receipts)
    assert login(acme.operator).get(reverse("admin:jobs_job_cancel", args=[job.uid])).status_code == 405


def test_a_live_part_is_the_list_alone(acme: Cast, receipts: Workflow) -> None:
    job = make_job(receipts)
    text = text_of(login(acme.viewer), "/admin/jobs/job/of/receipts/?state=open&part=1")
    assert str(job.uid) in text
    assert "<html" not in text
    assert "?state=open&amp;part=1" in text


def test_a_final_job_refreshes_no_more(acme: Cast) -> None:
    workflow, client = receipts_workflow(acme), login(acme.viewer)
    running = running_job(workflow, utcnow(), make_lease().pk)
    assert "data-live" in text_of(client, story_of(running))
    assert "data-live" not in text_of(client, story_of(succeeded_job(workflow, utcnow())))


def test_a_tenant_without_anything_is_told_what_to_do_next(acme: Cast) -> None:
    client = login(acme.owner)
    assert "workflow import FILE.yaml --tenant acme" in text_of(client, "/admin/")
    assert "No jobs yet" in text_of(client, "/admin/jobs/job/")
    assert "workflow import" in text_of(client, "/admin/workflows/workflow/")


def test_pages_hold_no_inline_script(acme: Cast) -> None:
    scene = build_scene(acme, jobs=3)
    client = login(acme.operator)
    for url in ("/admin/", "/admin/jobs/job/", story_of(scene.failed), "/admin/jobs/queue/", "/admin/jobs/bulkaction/"):
        text = text_of(client, url)
        assert "<script>" not in text
        assert " onclick=" not in text


@pytest.mark.parametrize("jobs", [10, 60])
def test_the_number_of_queries_does_not_grow_with_the_jobs(
    acme: Cast, receipts: Workflow, jobs: int, django_assert_max_num_queries: object
) -> None:
    for _ in range(jobs):
        make_job(receipts, State.FAILED)
    client = login(acme.operator)
    limits = {"/admin/": 30, "/admin/jobs/job/": 16, "/admin/jobs/job/of/receipts/?state=attention": 17}
    limits[story_of(make_job(receipts))] = 26
    for url, most in limits.items():
        with django_assert_max_num_queries(most):  # type: ignore[operator]
            assert client.get(url).status_code == 200


@pytest.mark.slow
def test_naughty_strings_as_searches_find_nothing_and_break_nothing(acme: Cast, receipts: Workflow) -> None:
    make_job(receipts)
    client = login(acme.viewer)
    for value in [*STRINGS, "\x00", "%", "_", "0" * 40]:
        for name in ("q", "state", "queue", "from", "before", "after"):
            assert client.get("/admin/jobs/job/", {name: value}).status_code == 200
