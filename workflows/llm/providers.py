"""Which provider's client answers for a connection. The clients' libraries take seconds to load, so they load last."""

from collections.abc import Callable

from tenants.domain.connections import Connection
from workflows.domain.outcomes import PermanentError
from workflows.llm.port import Reply, Request

Ask = Callable[[Connection, Request], Reply]


def ask_model(connection: Connection, request: Request) -> Reply:
    """Ask a model over `connection` and return its answer.

    Raises ModelUnavailable or ModelTimeout for what may pass, ModelRefused or ContentRefused for what will not.
    """
    return load_client(connection)(connection, request)


def load_client(connection: Connection) -> Ask:
    """Return what asks over `connection`; loads its library, which may take seconds the first time."""
    if connection.kind == "anthropic":
        from workflows.llm.anthropic import ask as ask_anthropic

        return ask_anthropic
    if connection.is_llm:
        from workflows.llm.openai import ask as ask_openai

        return ask_openai
    raise PermanentError(f"The connection '{connection.slug}' ({connection.kind}) is not one to a language model.")
