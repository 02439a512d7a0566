"""A user pool of Amazon Cognito, as moto has it, made the way the platform's template makes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.fakes.aws import Aws

PASSWORD = "Correct-Horse-1"
_ATTRIBUTES = [
    {"Name": "tenant", "AttributeDataType": "String", "Mutable": False},
    {"Name": "role", "AttributeDataType": "String", "Mutable": True},
]


@dataclass(frozen=True)
class UserPool:
    """One pool, its issuer's name and where its keys are."""

    aws: Aws
    pool_id: str

    @classmethod
    def of(cls, aws: Aws) -> UserPool:
        """Make a pool."""
        made = aws.client("cognito-idp").create_user_pool(PoolName="ragstone", Schema=_ATTRIBUTES)
        return cls(aws, made["UserPool"]["Id"])

    @property
    def issuer(self) -> str:
        """What stands in its tokens."""
        return f"https://cognito-idp.eu-central-1.amazonaws.com/{self.pool_id}"

    @property
    def jwks_url(self) -> str:
        """Where it publishes its keys."""
        return f"{self.aws.url}/{self.pool_id}/.well-known/jwks.json"

    def app(self, name: str) -> str:
        """Make an app client; give its id."""
        made = self._client.create_user_pool_client(
            UserPoolId=self.pool_id, ClientName=name, ExplicitAuthFlows=["ALLOW_ADMIN_USER_PASSWORD_AUTH"]
        )
        return str(made["UserPoolClient"]["ClientId"])

    def user(self, name: str, *, groups: Sequence[str] = (), **attributes: str) -> None:
        """Make a user with custom *attributes*."""
        given = [{"Name": f"custom:{each}", "Value": value} for each, value in attributes.items()]
        here: dict[str, Any] = {"UserPoolId": self.pool_id, "Username": name}
        self._client.admin_create_user(**here, UserAttributes=given)
        self._client.admin_set_user_password(**here, Password=PASSWORD, Permanent=True)
        for group in groups:
            self._client.create_group(UserPoolId=self.pool_id, GroupName=group)
            self._client.admin_add_user_to_group(**here, GroupName=group)

    def sign_in(self, name: str, app: str, kind: str = "IdToken") -> str:
        """Give the token that the user gets."""
        answer = self._client.admin_initiate_auth(
            UserPoolId=self.pool_id,
            ClientId=app,
            AuthFlow="ADMIN_USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": name, "PASSWORD": PASSWORD},
        )
        return str(answer["AuthenticationResult"][kind])

    @property
    def _client(self) -> Any:
        return self.aws.client("cognito-idp")
