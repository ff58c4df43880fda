"""What is named like a secret is neither kept nor shown, in whatever form a server says it."""

import pytest

from lvrestore.looker.classify import classify
from lvrestore.looker.protocol import Answered
from lvrestore.looker.redaction import redacted


@pytest.mark.parametrize(
    "text",
    [
        '{"client_secret": "S3CR3T"}',
        '{"api_key":"S3CR3T","x":1}',
        "client_id=a&client_secret=S3CR3T&x=1",
        "Authorization: Bearer S3CR3T",
        "Authorization: token S3CR3T",
        "Authorization: S3CR3T",
        "bad access_token=S3CR3T, try again",
        "password: S3CR3T",
    ],
)
def test_secrets_are_left_out(text):
    assert "S3CR3T" not in redacted(text)


@pytest.mark.parametrize(
    "text",
    ["title: Sales", '{"title": "The secret of our success", "id": 7}', "the token has expired", "Not found"],
)
def test_other_text_stays(text):
    assert redacted(text) == text


def test_messages_of_a_server_hold_none():
    answer = Answered(500, {}, b"<h1>Authorization: Bearer S3CR3T client_secret=S3CR3T&x=1</h1>")
    failure = classify(answer, creates=False)
    assert "S3CR3T" not in failure.message
    assert "x=1" in failure.message
