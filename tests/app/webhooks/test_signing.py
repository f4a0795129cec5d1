"""Signatures of messages, as the Standard Webhooks specification has them."""

from __future__ import annotations

import base64
import hashlib
import hmac

from app.webhooks.signing import headers, new_secret, sign

SECRET = new_secret()
BODY = '{"type": "ping"}'


def test_the_example_of_the_specification_is_signed_as_it_says() -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = '{"test": 2432232314}'
    assert sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body) == (
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


def test_a_signature_is_the_hmac_that_is_documented() -> None:
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    assert len(key) == 32
    wanted = base64.b64encode(hmac.digest(key, f"msg_1.5.{BODY}".encode(), hashlib.sha256)).decode()
    assert headers([SECRET], "msg_1", 5, BODY) == {
        "webhook-id": "msg_1", "webhook-timestamp": "5", "webhook-signature": f"v1,{wanted}",
    }  # fmt: skip
