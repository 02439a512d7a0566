"""An object in S3: where it stands, and whether there is one."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from chalicelib.adapters.aws_clients import error_code

Place = dict[str, str]
"""The bucket and the key of an object, as every call takes them."""
_MISSING = frozenset({"NoSuchKey", "404"})
_FORBIDDEN = frozenset({"AccessDenied", "403"})


def head(client: Any, place: Place) -> Any:
    """Give what S3 knows of the object, or None."""
    try:
        return client.head_object(**place)
    except ClientError as error:
        if is_missing(client, place, error):
            return None
        raise


def is_missing(client: Any, place: Place, error: ClientError) -> bool:
    """
    Say whether *error*, the answer to a read of the object, means that there is none.

    Who may list a part of the bucket only, as a tenant may, is told of an object that is not there that it is
    forbidden. Then that part is listed to see.
    """
    if error_code(error) not in _FORBIDDEN:
        return error_code(error) in _MISSING
    try:
        found = client.list_objects_v2(Bucket=place["Bucket"], Prefix=place["Key"], MaxKeys=1)
    except ClientError:
        return False
    return place["Key"] not in [one["Key"] for one in found.get("Contents", ())]
