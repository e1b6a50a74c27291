"""What schemathesis needs to be let in: most calls name the app that there is, and all but a few are signed with its
secret. What is signed is what is sent, however it was made up."""

import hashlib
import hmac
import time
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import requests
import schemathesis

KEY, SECRET = "local-key", b"local-secret"


def one_in(count: int, text: str) -> bool:
    """The same for the same text, so that a failure can be repeated."""
    return hashlib.md5(text.encode()).digest()[0] % count == 0


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    if path_parameters and "app_id" in path_parameters and not one_in(16, str(path_parameters)):
        path_parameters["app_id"] = "1001"
    return path_parameters


@schemathesis.hook
def map_query(context, query):
    # Whoever waits longer finds out no more.
    if query and str(query.get("wait", "")).isdigit():
        query["wait"] = int(query["wait"]) % 2
    return query


class Signature(requests.auth.AuthBase):
    def __call__(self, request):
        url = urlsplit(request.url)
        if one_in(16, request.url):
            return request
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else body
        pairs = [(name, value) for name, value in parse_qsl(url.query, keep_blank_values=True) if name != "auth_signature"]
        pairs += [("auth_key", KEY), ("auth_timestamp", str(int(time.time()))), ("auth_version", "1.0")]
        if body:
            pairs.append(("body_md5", hashlib.md5(body).hexdigest()))
        signed = "&".join(f"{name}={value}" for name, value in sorted((name.lower(), value) for name, value in pairs))
        message = f"{request.method}\n{url.path}\n{signed}".encode()
        pairs.append(("auth_signature", hmac.new(SECRET, message, hashlib.sha256).hexdigest()))
        request.url = urlunsplit(url._replace(query=urlencode(pairs)))
        return request


@schemathesis.hook
def before_call(context, case, kwargs):
    if not case.path.startswith(("/status/", "/stream/")):
        kwargs["auth"] = Signature()
