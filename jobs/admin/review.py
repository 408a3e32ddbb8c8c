"""Reviews in the admin: the inbox, where one is looked at and decided at a time, and the history of decisions."""

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST

from jobs.admin.review_form import read_edits
from jobs.admin.review_history import review_history
from jobs.admin.review_page import InboxFilter, Sheet, live_context, neighbours, reviewer_of, sheet_of
from jobs.domain.reviews import Decision, EditError, Reviewer, ReviewError
from jobs.models import Review
from jobs.queries.reviews import count_up_to, inbox, not_taken, workflows_with_reviews
from jobs.services.reviews import claim_review, decide_review, release_review, undo_decision
from taskflow.lib.clock import utcnow
from tenants.admin import TenantScopedAdmin
from tenants.admin.current import needs, require, tenant_of, zone_of
from tenants.admin.frame import PART, render_page
from tenants.domain.roles import Permission, allows
from tenants.models import Tenant
from workflows.models import Workflow


@admin.register(Review)
class ReviewAdmin(TenantScopedAdmin):
    """What jobs ask people. Reviewers and above decide; viewers look."""

    view_permission = Permission.VIEW_JOBS

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        own = [
            path("inbox/", wrap(self.inbox_view), name="jobs_review_inbox"),
            path("count/", wrap(self.count_view), name="jobs_review_count"),
            path("<path:object_id>/claim/", wrap(require_POST(self.claim_view)), name="jobs_review_claim"),
            path("<path:object_id>/release/", wrap(require_POST(self.release_view)), name="jobs_review_release"),
            path("<path:object_id>/decide/", wrap(require_POST(self.decide_view)), name="jobs_review_decide"),
            path("<path:object_id>/undo/", wrap(require_POST(self.undo_view)), name="jobs_review_undo"),
        ]
        return [*own, *super().get_urls()]

    @needs(Permission.VIEW_JOBS)
    def changelist_view(self, request: HttpRequest, tenant: Tenant, extra_context: Any = None) -> HttpResponse:
        return review_history(request, tenant)

    @needs(Permission.VIEW_JOBS)
    def inbox_view(self, request: HttpRequest, tenant: Tenant) -> HttpResponse:
        """Show the review the address names, else the first that nobody is at."""
        who, wanted = _who(request, tenant), read_filter(request, tenant)
        review = self._named(request, tenant)
        if review is None and PART not in request.GET:
            rows = inbox(tenant.pk, who, workflow_id=_workflow_id(wanted), mine=wanted.mine)
            found = not_taken(rows, who, utcnow()).first() or rows.first()
            review = None if found is None else self._whole(Review.objects.filter(pk=found.pk))
        return _show(request, tenant, who, wanted, None if review is None else sheet_of(review))

    @needs(Permission.VIEW_JOBS)
    def count_view(self, request: HttpRequest, tenant: Tenant) -> HttpResponse:
        """Answer how many reviews wait for this person, for the sidebar."""
        return JsonResponse({"open": count_up_to(inbox(tenant.pk, _who(request, tenant)))})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        review = self.get_object(request, object_id)
        who = _who(request, review.tenant)
        return _show(request, review.tenant, who, InboxFilter(), sheet_of(review))

    def claim_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Keep others from the review while this person looks at it; answers who is at it."""
        review, who = self._to_answer(request, object_id)
        try:
            claim_review(review=review, who=who, now=utcnow())
        except ReviewError as error:
            return JsonResponse({"claimed": False, "reason": str(error)})
        return JsonResponse({"claimed": True})

    def release_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        review, who = self._to_answer(request, object_id)
        release_review(review=review, who=who, now=utcnow())
        return JsonResponse({"claimed": False})

    def decide_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Take a decision from the page's forms and lead to the next review; what does not fit is shown in the form."""
        review, who = self._to_answer(request, object_id)
        wanted = read_filter(request, review.tenant)
        _, following = neighbours(review.tenant_id, who, wanted, review)
        given = request.POST.dict()
        try:
            decision = Decision(given.get("decision", ""))
        except ValueError:
            raise Http404("There is no such decision.") from None
        edits = read_edits(review, given) if decision is Decision.EDIT else None
        if edits == {}:
            decision, edits = Decision.APPROVE, None
        comment = given.get("comment", "")
        try:
            decide_review(review=review, who=who, decision=decision, edits=edits, comment=comment, now=utcnow())
        except EditError as error:
            return _refused(request, review, who, wanted, given, error)
        except ReviewError as error:
            messages.error(request, str(error))
        changes = {} if following is None else {"item": str(following.uid)}
        return HttpResponseRedirect(wanted.address(**changes))

    def undo_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Open a review again that this person decided, and show it."""
        review, who = self._to_answer(request, object_id)
        try:
            undo_decision(review=review, who=who, now=utcnow())
        except ReviewError as error:
            messages.error(request, str(error))
        return HttpResponseRedirect(read_filter(request, review.tenant).address(item=str(review.uid)))

    def _to_answer(self, request: HttpRequest, object_id: str) -> tuple[Review, Reviewer]:
        review = self.get_object(request, object_id)
        require(request, Permission.ANSWER_REVIEWS, review.tenant)
        return review, _who(request, review.tenant)

    def _named(self, request: HttpRequest, tenant: Tenant) -> Review | None:
        try:
            uid = UUID(request.GET.get("item", ""))
        except ValueError:
            return None
        return self._whole(Review.objects.for_tenant(tenant).filter(uid=uid))

    def _whole(self, rows: Any) -> Review | None:
        found: Review | None = rows.select_related("tenant", "workflow", "job", "job__version").first()
        return found

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Review:
        """Find a review by its public id. Raises Http404 for one of a tenant this person is no member of."""
        try:
            review = self._whole(self.get_queryset(request).filter(uid=UUID(object_id)))
        except ValueError:
            raise Http404(f"'{object_id}' is not the id of a review.") from None
        if review is None:
            raise Http404(f"There is no review {object_id}.")
        return review

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def read_filter(request: HttpRequest, tenant: Tenant) -> InboxFilter:
    """Return what the address narrows the inbox to; a workflow that is not there narrows nothing."""
    slug = request.GET.get("workflow", "")
    workflow = Workflow.objects.filter(tenant=tenant, slug=slug).first() if slug else None
    return InboxFilter(workflow, request.GET.get("mine") == "1")


def open_reviews_of(request: HttpRequest) -> int | None:
    """Return how many reviews wait for the person, for the sidebar; None where they see none."""
    tenant = tenant_of(request)
    who = None if tenant is None else reviewer_of(request, tenant.pk)
    return None if tenant is None or who is None else count_up_to(inbox(tenant.pk, who))


def _who(request: HttpRequest, tenant: Tenant) -> Reviewer:
    who = reviewer_of(request, tenant.pk)
    if who is None:
        raise Http404("You are not a member of this tenant.")
    return who


def _workflow_id(wanted: InboxFilter) -> int | None:
    return wanted.workflow.pk if wanted.workflow else None


def _refused(
    request: HttpRequest,
    review: Review,
    who: Reviewer,
    wanted: InboxFilter,
    given: dict[str, str],
    error: EditError,
) -> HttpResponse:
    """Show the review again with what was typed and what is wrong with it."""
    errors = {field.removeprefix("output."): reason for field, reason in error.problems}
    sheet = sheet_of(review, given, errors)
    sheet.editing = any(field.startswith("output") for field in dict(error.problems))
    sheet.rejecting = "comment" in errors
    shown = {entry.field.key for entry in sheet.entries if entry.error}
    for field, reason in errors.items():
        if field not in shown:
            messages.error(request, reason if field == "comment" else f"{field}: {reason}")
    return _show(request, review.tenant, who, wanted, sheet)


def _show(
    request: HttpRequest, tenant: Tenant, who: Reviewer, wanted: InboxFilter, sheet: Sheet | None
) -> HttpResponse:
    now, review = utcnow(), None if sheet is None else sheet.review
    before, after = (None, None) if review is None else neighbours(tenant.pk, who, wanted, review)
    refusal = "" if review is None else review.hold.refusal(who)
    return render_page(
        request,
        "review",
        title="Review inbox",
        zone=zone_of(tenant),
        part="parts/review_live",
        live_url=wanted.address(**({PART: "1"} if review is None else {PART: "1", "item": str(review.uid)})),
        sheet=sheet,
        review=review,
        who=who,
        wanted=wanted,
        filter_query=wanted.query(),
        inbox_url=reverse("admin:jobs_review_inbox"),
        workflows=workflows_with_reviews(tenant.pk),
        previous_url=before and wanted.address(item=str(before.uid)),
        next_url=after and wanted.address(item=str(after.uid)),
        may_answer=allows(who.role, Permission.ANSWER_REVIEWS) and not refusal,
        refusal=refusal,
        overdue_now=review is not None and review.is_overdue(now),
        **live_context(tenant.pk, who, wanted, review, now=now),
    )
