"""What hands out credentials in a cloud: STS, the metadata of an instance, and those of a container.

`python issuer.py KEY SECRET` prints its address and serves until it is killed.
"""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# The gateway has no tokens of its own, and takes an empty one for none.
UNTIL = "2099-01-01T00:00:00Z"
ROLES = "/latest/meta-data/iam/security-credentials/"
STS = """<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/lake/tests</Arn>
<AssumedRoleId>A:tests</AssumedRoleId></AssumedRoleUser><Credentials><AccessKeyId>{key}</AccessKeyId>
<SecretAccessKey>{secret}</SecretAccessKey><SessionToken>{token}</SessionToken><Expiration>{until}</Expiration>
</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"""


class _Handler(BaseHTTPRequestHandler):
    key, secret = "", ""

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        known = "Action=AssumeRoleWithWebIdentity" in asked and "WebIdentityToken=token-of-the-pod" in asked
        text = STS.format(key=self.key, secret=self.secret, token="", until=UNTIL)
        self._answer(200 if known else 403, text, "text/xml")

    def do_PUT(self) -> None:
        self._answer(
            200, "token-of-the-instance", "text/plain", ("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600")
        )

    def do_GET(self) -> None:
        if self.path == ROLES:
            self._answer(200, "lake", "text/plain")
            return
        given = {
            "Code": "Success", "Type": "AWS-HMAC", "LastUpdated": "2026-01-01T00:00:00Z", "Expiration": UNTIL,
            "AccessKeyId": self.key, "SecretAccessKey": self.secret, "Token": "",
        }  # fmt: skip
        there = self.path in (f"{ROLES}lake", "/container")
        self._answer(200 if there else 404, json.dumps(given) if there else "", "application/json")

    def _answer(self, status: int, text: str, kind: str, *headers: tuple[str, str]) -> None:
        self.send_response_only(status)
        for name, value in (("Content-Type", kind), ("Content-Length", str(len(text))), *headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


if __name__ == "__main__":
    _Handler.key, _Handler.secret = sys.argv[1:]
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        print(f"http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()
