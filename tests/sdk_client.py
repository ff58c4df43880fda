"""Looker's own Python client, connected to a sandbox."""

from looker_sdk.rtl import api_settings, auth_session, requests_transport, serialize
from looker_sdk.sdk.api40 import methods


class Settings(api_settings.ApiSettings):
    """Settings of their own: the client would read the environment otherwise."""

    def __init__(self, url, secret):
        self._given = {"base_url": url, "client_id": "id", "client_secret": secret, "verify_ssl": "false"}
        super().__init__()

    def read_config(self):
        return self._given


def client(url, secret="secret"):
    settings = Settings(url, secret)
    settings.is_configured()
    transport = requests_transport.RequestsTransport.configure(settings)
    auth = auth_session.AuthSession(settings, transport, serialize.deserialize40, "4.0")
    return methods.Looker40SDK(auth, serialize.deserialize40, serialize.serialize40, transport, "4.0")
