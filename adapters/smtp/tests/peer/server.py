"""A real mail server (aiosmtpd) for the tests, which does what the recipient's name says.

server.py FILE OPTIONS: writes each mail that it took as a line of JSON to FILE, before it says so; prints its port.
OPTIONS, as JSON: mode (plain, starttls, tls), cert, key, user, password, exclude (mechanisms), size.
"""

import asyncio
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

path, options = sys.argv[1], json.loads(sys.argv[2])


def part(message, kind):
    """The text of a part, decoded; None, if there is none of that kind."""
    found = [p for p in message.walk() if p.get_content_type() == kind]
    return found[0].get_content().replace("\r\n", "\n") if found else None


class Handler:
    """Takes mails, unless the name before the @ says otherwise."""

    dropped = None

    async def handle_MAIL(self, server, session, envelope, address, mail_options):
        if session.peer == self.dropped:
            server.transport.abort()
        envelope.mail_from = address
        return "250 2.1.0 OK"

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        name = address.split("@")[0]
        if name.startswith("refused"):
            return f"550 5.1.1 <{address}> is not known here"
        if name.startswith("later"):
            return f"451 4.3.0 <{address}> must wait"
        if name == "closing":
            return "421 4.3.2 closing"
        if name == "lost-before-data":
            server.transport.abort()
        if name == "silent-before-data":
            await asyncio.Event().wait()
        if name == "endless":
            while not server.transport.is_closing():
                server.transport.write(b"250-more\r\n" * 1000)
                await asyncio.sleep(0)
        if name == "garbage":
            return "this is no answer"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        names = [address.split("@")[0] for address in envelope.rcpt_tos]
        if "spam" in names:
            return "554 5.7.1 this is no mail for us"
        if "full" in names:
            return "452 4.2.2 the mailbox is full"
        if "never-taken" not in names:
            self.take(session, envelope)
        if "lost-after-data" in names or "never-taken" in names:
            server.transport.abort()
        if "dropped-when-idle" in names:
            self.dropped = session.peer
        if "silent-after-data" in names:
            await asyncio.Event().wait()
        return "250 2.0.0 taken"

    def take(self, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        mail = {
            "envelope_from": envelope.mail_from,
            "envelope_to": envelope.rcpt_tos,
            "headers": {name: str(value) for name, value in message.items()},
            "names": [name for name, _ in message.items()],
            "defects": [str(defect) for p in message.walk() for defect in p.defects],
            "text": part(message, "text/plain"),
            "html": part(message, "text/html"),
            "encrypted": session.ssl is not None or options["mode"] == "tls",
            "user": session.auth_data.decode() if session.authenticated else None,
            "connection": list(session.peer),
            "longest_line": max(len(line) for line in envelope.content.split(b"\r\n")),
            "is_ascii": envelope.content.isascii(),
        }
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(mail) + "\n")


def authenticate(server, session, envelope, mechanism, data):
    """Knows one user."""
    given = (data.login.decode(), data.password.decode())
    is_known = given == (options["user"], options["password"])
    return AuthResult(success=is_known, handled=False, auth_data=data.login if is_known else None)


async def main():
    """Listens until it is killed."""
    context = None
    if options["mode"] != "plain":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options["cert"], options["key"])
    is_later = options["mode"] == "starttls"
    user = options.get("user")

    def connection():
        return SMTP(
            Handler(),
            hostname="mail.test",
            tls_context=context if is_later else None,
            require_starttls=is_later,
            auth_required=user is not None,
            auth_require_tls=is_later,
            authenticator=authenticate if user is not None else None,
            auth_exclude_mechanism=options.get("exclude", []),
            data_size_limit=options.get("size", 33554432),
            loop=asyncio.get_running_loop(),
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        connection, "127.0.0.1", 0, ssl=context if options["mode"] == "tls" else None
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
