"""
Sign in to the admin over HTTP, as a browser would: python tests/sign_in.py [--https] -- URL USER PASSWORD

Exits 0 when the start page greets a signed-in person, else 1 with one sentence. It runs on the host, outside
the containers, so it needs nothing but Python 3.9. With --https it speaks as the proxy in front, after TLS.
"""

import argparse
import http.client
import sys
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from urllib.parse import urlencode, urlsplit

INDEX, LOGIN, LOGOUT = "/admin/", "/admin/login/", "/admin/logout/"
MOST_REDIRECTS = 5


class Refused(Exception):
    """Why there is no signed-in person, in one sentence."""


class Page(HTMLParser):
    """The form fields and the targets of one page."""

    def __init__(self, html):
        super().__init__()
        self.fields, self.targets = {}, set()
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag == "input" and attributes.get("name"):
            self.fields[attributes["name"]] = attributes.get("value") or ""
        self.targets |= {attributes[name] for name in ("action", "href") if attributes.get(name)}


class Browser:
    """
    One visitor's cookies and headers.

    Cookies are kept by hand because http.cookiejar holds a Secure cookie back from the plain connection that
    stands for the proxy's inner side.
    """

    def __init__(self, url, https):
        parts = urlsplit(url)
        self.address, self.cookies = (parts.hostname, parts.port or 80), SimpleCookie()
        self.headers = {"Host": parts.netloc}
        if https:
            self.headers["X-Forwarded-Proto"] = "https"
        self.origin = f"{'https' if https else 'http'}://{parts.netloc}"

    def get(self, path):
        return self._follow(*self._send("GET", path))

    def post(self, path, form):
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Origin": self.origin,
            "Referer": self.origin + path,
        }
        return self._follow(*self._send("POST", path, urlencode(form), headers))

    def _send(self, method, path, body=None, headers=None):
        cookies = "; ".join(f"{name}={morsel.coded_value}" for name, morsel in self.cookies.items())
        connection = http.client.HTTPConnection(*self.address, timeout=30)
        try:
            connection.request(method, path, body, {**self.headers, "Cookie": cookies, **(headers or {})})
            response = connection.getresponse()
            for header in response.headers.get_all("Set-Cookie", []):
                self.cookies.load(header)
            return path, response, response.read().decode()
        except (OSError, http.client.HTTPException) as error:
            raise Refused(f"{method} {path} got no answer: {error}.") from error
        finally:
            connection.close()

    def _follow(self, path, response, body):
        for _hop in range(MOST_REDIRECTS):
            if response.status not in (301, 302, 303, 307, 308):
                break
            target = urlsplit(response.headers["Location"])
            if target.netloc and f"{target.scheme}://{target.netloc}" != self.origin:
                raise Refused(f"{path} leads away, to {target.geturl()}.")
            inside = target._replace(scheme="", netloc="").geturl()
            path, response, body = self._send("GET", inside)
        if response.status != 200:
            raise Refused(f"{path} answered {response.status}.")
        return path, Page(body)


def sign_in(url, user, password, *, https):
    """Sign in and return; raises Refused."""
    browser = Browser(url, https)
    _path, page = browser.get(LOGIN)
    if "csrfmiddlewaretoken" not in page.fields:
        raise Refused(f"{LOGIN} shows no form to sign in.")
    token = page.fields["csrfmiddlewaretoken"]
    form = {"csrfmiddlewaretoken": token, "username": user, "password": password, "next": INDEX}
    path, page = browser.post(LOGIN, form)
    if path != INDEX or "password" in page.fields or LOGOUT not in page.targets:
        raise Refused(f"{user} was not signed in: {path} does not greet a signed-in person.")


def main():
    parser = argparse.ArgumentParser(description="Sign in to the admin over HTTP.")
    parser.add_argument("url")
    parser.add_argument("user")
    parser.add_argument("password")
    parser.add_argument("--https", action="store_true", help="speak as the proxy that ends TLS")
    options = parser.parse_args()
    try:
        sign_in(options.url.rstrip("/"), options.user, options.password, https=options.https)
    except Refused as refusal:
        sys.exit(f"sign_in: {refusal}")


if __name__ == "__main__":
    main()
