"""A server that takes mail: prints its port, then each mail and each login as a line of JSON.

smtp_sink.py plain|starttls|tls [--cert FILE --key FILE] [--user NAME --password TEXT] [--fail N]
"""

import argparse
import asyncio
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

arguments = argparse.ArgumentParser()
arguments.add_argument("way", choices=["plain", "starttls", "tls"])
arguments.add_argument("--cert")
arguments.add_argument("--key")
arguments.add_argument("--user")
arguments.add_argument("--password")
arguments.add_argument("--fail", type=int, default=0, help="mails that are refused for now, before one is taken")
given = arguments.parse_args()


def tell(**what) -> None:
    print(json.dumps(what), flush=True)


class Sink:
    refusals = given.fail

    async def handle_DATA(self, server, session, envelope):
        if self.refusals > 0:
            self.refusals -= 1
            tell(refused=True)
            return "451 come back later"
        tell(
            sender=envelope.mail_from,
            receivers=envelope.rcpt_tos,
            mail=envelope.content.decode("utf-8", "surrogateescape"),
            tls=session.ssl is not None or given.way == "tls",
            login=session.authenticated,
        )
        return "250 OK"


def check(server, session, envelope, mechanism, data):
    login = getattr(data, "login", b"").decode(), getattr(data, "password", b"").decode()
    good = login == (given.user, given.password)
    tell(attempt=mechanism, good=good)
    return AuthResult(success=good, handled=False)


context = None
if given.cert:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(given.cert, given.key)

options = {}
if given.user:
    options |= {"authenticator": check, "auth_required": True, "auth_require_tls": given.way == "starttls"}
if given.way == "starttls":
    options |= {"tls_context": context, "require_starttls": True}


async def run() -> None:
    loop = asyncio.get_running_loop()
    wrapped = context if given.way == "tls" else None
    server = await loop.create_server(lambda: SMTP(Sink.only, **options), host="127.0.0.1", port=0, ssl=wrapped)
    tell(port=server.sockets[0].getsockname()[1])
    # Until the test closes its end, or ends.
    await loop.run_in_executor(None, sys.stdin.read)


Sink.only = Sink()
asyncio.run(run())
