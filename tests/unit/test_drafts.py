"""Edits of a draft's content: whatever is done in whatever order, no step is lost and no key is there twice."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflows.domain import drafts
from workflows.domain.definition import KEY, MAX_STEPS
from workflows.domain.drafts import BadEdit, DraftContent, DraftStep, StepGone, fingerprint, free_key, make_key

EDITS = st.lists(
    st.tuples(st.sampled_from(["add", "copy", "delete", "move"]), st.integers(0, 20), st.integers(-1, 20)), max_size=25
)


def content_of(keys: str) -> DraftContent:
    return DraftContent(steps=tuple(DraftStep(key, key.upper(), "route") for key in keys))


@given(EDITS)
@settings(max_examples=50)
def test_steps_stay_whole_whatever_is_done(edits: list[tuple[str, int, int]]) -> None:
    content = content_of("abc")
    for kind, first, second in edits:
        before, keys = content, content.keys
        key = keys[first % len(keys)] if keys else "gone"
        after = "" if second < 0 or not keys else keys[second % len(keys)]
        try:
            if kind == "add":
                fresh = DraftStep(free_key("a", keys), "New", "route")
                content = drafts.add_step(content, fresh, after=after)
                assert content.keys.index(fresh.key) == (content.keys.index(after) + 1 if after else 0)
                assert drafts.delete_step(content, fresh.key) == before
            elif kind == "copy":
                content, copy = drafts.copy_step(content, key)
                assert content.keys.index(copy.key) == keys.index(key) + 1
                assert [each for each in content.steps if each != copy] == list(before.steps)
            elif kind == "delete":
                content = drafts.delete_step(content, key)
                assert [each for each in before.steps if each.key != key] == list(content.steps)
            else:
                content = drafts.move_step(content, key, after=after)
                assert sorted(content.steps, key=lambda each: each.key) == sorted(
                    before.steps, key=lambda each: each.key
                )
                assert [each for each in content.keys if each != key] == [each for each in keys if each != key]
        except StepGone:
            assert not keys
        assert len(set(content.keys)) == len(content.steps)
        assert all(re.fullmatch(KEY, each) for each in content.keys)


@settings(max_examples=50)
@given(st.text(max_size=80), st.sets(st.sampled_from(["step", "a", "step_2"])))
def test_every_name_makes_a_key_that_is_free(name: str, taken: set[str]) -> None:
    key = free_key(make_key(name), taken)
    assert re.fullmatch(KEY, key)
    assert key not in taken


def test_a_key_reads_like_its_name() -> None:
    assert make_key("Sort tickets!") == "sort_tickets"
    assert make_key("2. Straße 7") == "stra_e_7"
    assert make_key("票", "classify") == "classify"


def test_a_draft_is_full_at_some_point() -> None:
    content = DraftContent(steps=tuple(DraftStep(f"s{number}", "S", "route") for number in range(MAX_STEPS)))
    with pytest.raises(BadEdit, match="at most 100 steps"):
        drafts.copy_step(content, "s1")


def test_fingerprints_tell_steps_apart_by_what_they_hold() -> None:
    step = DraftStep("a", "A", "route", config={"x": 1, "y": 2})
    assert fingerprint(step) == fingerprint(DraftStep("a", "A", "route", config={"y": 2, "x": 1}))
    assert fingerprint(step) != fingerprint(DraftStep("a", "A", "route", config={"x": 1, "y": 3}))
    assert fingerprint(None) != fingerprint([])
