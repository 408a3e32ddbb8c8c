"""How a step asks a model: over which connection, which model, within which limits. The same for every kind."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from tenants.domain.connections import LLM_KINDS
from workflows.domain.hints import Names, Wording
from workflows.kinds.base import StepConfig

ConnectionSlug = Annotated[str, Field(min_length=1, max_length=63)]
LLM = Names("connection", tuple(LLM_KINDS))
ModelName = Annotated[str, Field(min_length=1, max_length=200)]


class By(StrEnum):
    """Who finds the answer. Rules cost nothing; a model reads what no rule foresaw."""

    RULES = "rules"
    LLM = "llm"
    RULES_FIRST = "rules_first"
    LLM_OR_RULES = "llm_or_rules"

    @property
    def asks(self) -> bool:
        """Whether a model may be asked."""
        return self is not By.RULES

    @property
    def ruled(self) -> bool:
        """Whether rules are used."""
        return self is not By.LLM


BY_HELP = "Rules cost nothing; a language model reads what no rule foresaw."
BY_WORDS = Wording(
    (
        ("rules", "Rules"),
        ("llm", "A language model"),
        ("rules_first", "Rules, and a language model for what they do not find"),
        ("llm_or_rules", "A language model where there is a connection to one, else rules"),
    )
)


class ModelChoice(StepConfig):
    """Another model to ask when the one before it cannot answer for now."""

    connection: Annotated[ConnectionSlug | None, LLM] = Field(
        default=None, title="Connection", description="Empty: the same as before."
    )
    model: ModelName | None = Field(default=None, title="Model", description="Empty: the connection's own.")


class LlmSettings(StepConfig):
    """How the model is asked."""

    connection: Annotated[ConnectionSlug | None, LLM] = Field(
        default=None, title="Connection", description="Empty: the tenant's default connection to a language model."
    )
    model: ModelName | None = Field(default=None, title="Model", description="Empty: the one the connection names.")
    fallback: tuple[ModelChoice, ...] = Field(
        default=(), title="If it cannot answer", max_length=5, description="Models to ask instead, in this order."
    )
    temperature: float | None = Field(
        default=None, ge=0, le=2, title="Temperature", description="Empty: the model's own; 0 varies least."
    )
    max_tokens: int = Field(default=1000, ge=1, le=100_000, title="Longest answer", description="In tokens.")
    timeout: float = Field(default=60.0, gt=0, le=600, title="Seconds a call may take")
    samples: int = Field(
        default=1,
        ge=1,
        le=10,
        title="Ask several times",
        description="Where the provider gives no probabilities: how often to ask, to see how far the answers agree.",
    )
    confidence: bool = Field(default=True, title="Find out how sure it is")
    cache_hours: float | None = Field(
        default=None,
        gt=0,
        le=24 * 366,
        title="Use answers again for hours",
        description="Empty: ask every time. Else the same question gets the same answer, at no cost, for so long.",
    )
