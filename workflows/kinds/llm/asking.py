"""Asking a model for a step: which one, within which limits, out of memory or over the network, and once more if the
answer does not fit.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import reduce
from hashlib import sha256
from operator import add
from typing import Any

from taskflow.lib.clock import utcnow
from taskflow.lib.fields import dump_json
from tenants.domain.connections import Connection, Permit
from workflows.domain.calls import KeptAnswer, ModelCall
from workflows.domain.outcomes import Done, PermanentError, Record, StepError, TransientError, Usage
from workflows.kinds.base import StepContext
from workflows.kinds.llm.confidence import LOGPROBS, SAMPLES, STATED, majority, token_confidence
from workflows.kinds.llm.prompt import Prompt
from workflows.kinds.llm.question import SURE, Form
from workflows.kinds.llm.settings import LlmSettings, ModelChoice
from workflows.llm import ContentRefused, Message, Reply, Request, Token, load_client

#: English has about four characters to a token.
CHARACTERS_A_TOKEN = 4
REPAIR = "Your answer cannot be used: {}. Answer again, with one JSON object that fits the schema, and nothing else."
Vote = Callable[[Sequence[dict[str, Any]]], tuple[dict[str, Any], float]]


class AnswerUnusable(PermanentError):
    """The model's answer did not fit its form, nor did a second one."""


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask. With a `form` the answer is data.

    `decisive` names the values whose certainty counts, `joint` says that they are labels. `vote` makes one answer of
    several, with the share that agrees.
    """

    prompt: Prompt
    form: Form | None = None
    decisive: tuple[str, ...] = ()
    joint: bool = False
    vote: Vote | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer that fits, the model that gave it, and how sure it is. `usage` is that of all calls it took."""

    text: str
    data: dict[str, Any]
    model: str
    confidence: float | None = None
    confidence_by: str = ""
    usage: Usage = field(default_factory=Usage)

    def done(self, output: Record) -> Done:
        """Return the step's outcome with this output."""
        return Done(
            output, confidence=self.confidence, confidence_by=self.confidence_by, usage=self.usage, model=self.model
        )


def has_connection(context: StepContext, settings: LlmSettings) -> bool:
    """Say whether there is a usable connection over which this step could ask a model."""
    try:
        context.language_model(settings.connection)
    except PermanentError:
        return False
    return True


def ask(context: StepContext, settings: LlmSettings, question: Question) -> Answered:
    """Ask until there is an answer that fits; each further model of the step's chain when one cannot answer for now.

    Raises PermanentError where there is no connection, the request or its content is refused, or no answer fits;
    TransientError when no model can answer now; LimitReached.
    """
    choices = [ModelChoice(connection=settings.connection, model=settings.model), *settings.fallback]
    askers, before = _askers(context, settings, question, choices), len(context.calls)
    for asker in askers:
        try:
            answered = asker.ask()
        except TransientError:
            if asker is askers[-1]:
                raise
        else:
            return replace(answered, usage=reduce(add, (call.usage for call in context.calls[before:]), Usage()))
    raise AssertionError("unreachable")


def _askers(
    context: StepContext, settings: LlmSettings, question: Question, choices: Sequence[ModelChoice]
) -> "list[_Asker]":
    askers, slug = [], None
    for choice in choices:
        slug = choice.connection or slug
        connection = context.language_model(slug)
        model = choice.model or connection.config.get("model")
        if not isinstance(model, str) or not model:
            raise PermanentError(f"The connection '{connection.slug}' names no model: name one there, or in the step.")
        askers.append(_Asker(context, settings, question, connection, model))
    return askers


@dataclass(slots=True)
class _Asker:
    """Asks one model over one connection."""

    context: StepContext
    settings: LlmSettings
    question: Question
    connection: Connection
    model: str

    def ask(self) -> Answered:
        reply, data = self._fitting(0)
        stated, by, sure = data.pop(SURE, None), "", None
        if self.settings.confidence:
            sure = token_confidence(reply.text, reply.tokens, self.question.decisive, joint=self.question.joint)
            by = LOGPROBS
            if sure is None and self.settings.samples > 1 and self.question.form:
                data, sure = self._vote([data, *(self._sample(place) for place in range(1, self.settings.samples))])
                by = SAMPLES
            elif sure is None:
                sure, by = stated, "" if stated is None else STATED
        return Answered(reply.text, data, reply.model or self.model, sure, by)

    def _sample(self, place: int) -> dict[str, Any]:
        _, data = self._fitting(place)
        data.pop(SURE, None)
        return data

    def _vote(self, answers: list[dict[str, Any]]) -> tuple[dict[str, Any], float]:
        if self.question.vote is not None:
            return self.question.vote(answers)
        place, share = majority(answers, self.question.decisive)
        return answers[place], share

    def _fitting(self, sample: int) -> tuple[Reply, dict[str, Any]]:
        """Return an answer that fits its form, out of memory if it may be; asks again where the first does not."""
        request = self._request()
        key = self._key(sample) if self.settings.cache_hours else ""
        found = self._remembered(key) if key else None
        if found is not None:
            return found
        reply = self._call(request, "sample" if sample else "answer")
        data, problems = self._read(reply)
        if problems:
            wrong = "; ".join(problems)
            more = (Message("assistant", reply.text), Message("user", REPAIR.format(wrong)))
            reply = self._call(replace(request, messages=request.messages + more), "repair", wrong)
            data, problems = self._read(reply)
        if problems:
            wrong = "; ".join(problems)
            self.context.calls[-1].error = f"not usable: {wrong}"
            raise AnswerUnusable(f"The answer of {reply.model or self.model} does not fit, asked twice: {wrong}.")
        if key and self.settings.cache_hours:
            until = utcnow() + timedelta(hours=self.settings.cache_hours)
            self.context.calls[-1].kept = KeptAnswer(key, _plain(reply), until)
        return reply, data

    def _read(self, reply: Reply) -> tuple[dict[str, Any], list[str]]:
        if reply.cut:
            limit = self.settings.max_tokens
            self.context.calls[-1].error = "cut off at its longest"
            raise AnswerUnusable(f"The answer was cut off after {limit} tokens: allow a longer one in the step.")
        return ({}, []) if self.question.form is None else self.question.form.read(reply.text)

    def _request(self) -> Request:
        system, user = self.question.prompt.sealed()
        form = self.question.form
        return Request(
            model=self.model,
            messages=(Message("system", system), Message("user", user)),
            max_tokens=self.settings.max_tokens,
            timeout=self.settings.timeout,
            schema=None if form is None else form.schema,
            temperature=self.settings.temperature,
            logprobs=self.settings.confidence and bool(self.question.decisive),
        )

    def _call(self, request: Request, purpose: str, wrong: str = "") -> Reply:
        """Make one call and add it to the step's, whatever comes of it."""
        asked = self.question.prompt.shown() + (f"\n\n[user]\n{REPAIR.format(wrong)}" if wrong else "")
        ask_model = load_client(self.connection)
        call = ModelCall(self.connection.slug, self.model, asked, utcnow(), purpose)
        length = sum(len(message.content) for message in request.messages)
        permit = self.context.gate.enter(
            self.connection, now=call.at, tokens=length // CHARACTERS_A_TOKEN + request.max_tokens
        )
        start = time.perf_counter()
        try:
            reply = ask_model(self.connection, request)
            call.answer, call.finish_reason, call.usage = reply.text, reply.finish_reason, reply.usage
            call.model = reply.model or self.model
        except StepError as error:
            call.error = f"{type(error).__name__}: {error}"
            call.usage = error.usage if isinstance(error, ContentRefused) else Usage()
            raise
        finally:
            call.seconds = time.perf_counter() - start
            self.context.calls.append(call)
            _leave(permit, call.usage)
        return reply

    def _remembered(self, key: str) -> tuple[Reply, dict[str, Any]] | None:
        now = utcnow()
        kept = self.context.recall(key, now - timedelta(hours=self.settings.cache_hours or 0))
        if kept is None:
            return None
        reply = _reply(kept)
        data, problems = self._read(reply)
        if problems:
            return None
        shown = self.question.prompt.shown()
        self.context.calls.append(
            ModelCall(self.connection.slug, reply.model, shown, now, answer=reply.text, cached=True)
        )
        return reply, data

    def _key(self, sample: int) -> str:
        """Return what makes a question the same as another: all that its answer depends on."""
        prompt, settings, form = self.question.prompt, self.settings, self.question.form
        parts = [
            self.connection.slug,
            self.connection.kind,
            self.connection.config.get("base_url"),
            self.model,
            prompt.system,
            prompt.user,
            None if form is None else form.schema,
            settings.temperature,
            settings.max_tokens,
            sample,
        ]
        return sha256(dump_json(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _leave(permit: Permit, usage: Usage) -> None:
    permit.leave(tokens=usage.input_tokens + usage.output_tokens, cost=usage.cost)


def _plain(reply: Reply) -> dict[str, Any]:
    tokens = [[token.text, token.logprob] for token in reply.tokens]
    return {"text": reply.text, "model": reply.model, "finish_reason": reply.finish_reason, "tokens": tokens}


def _reply(kept: dict[str, Any]) -> Reply:
    tokens = tuple(Token(text, logprob) for text, logprob in kept["tokens"])
    return Reply(kept["text"], kept["model"], Usage(), kept["finish_reason"], tokens=tokens)
