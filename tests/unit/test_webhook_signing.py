"""Standard Webhooks: the scheme's own example comes out as it is published."""

from datetime import UTC, datetime

import pytest

from taskflow.lib.webhooks import read_secret, sign


def test_the_published_example():
    body = b'{"test": 2432232314}'
    now = datetime.fromtimestamp(1614265330, UTC)
    headers = sign(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", message_id="msg_p5jXN8AQM9LWM0D4loKWxJek", now=now, body=body
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!!!!", "whsec_" + "c2Vj" * 7, "whsec_" + "c2Vj" * 22])
def test_a_secret_of_another_form_is_refused(secret):
    with pytest.raises(ValueError, match="24 to 64 bytes"):
        read_secret(secret)
