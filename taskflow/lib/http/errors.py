"""What can go wrong with an outgoing call. Messages never hold a query, a header or a body."""


class HttpError(Exception):
    """An outgoing call failed."""


class CallRefused(HttpError):
    """The call was not made: its address is forbidden or it is not well formed. Trying again cannot help."""


class CallTimeout(HttpError):
    """The other side did not answer in time."""


class Unreachable(HttpError):
    """The other side could not be found, or broke the connection off."""


class AnswerTooLarge(HttpError):
    """The answer is larger than the call allows."""
