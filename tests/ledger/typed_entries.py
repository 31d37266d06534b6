"""What a browser sends when somebody types an entry."""

import uuid
from html.parser import HTMLParser

from django.urls import reverse

COLUMNS = ["account", "account_text", "debit", "credit", "memo"]


def page(client, name="entry_new", *arguments):
    return reverse(f"admin:{name}", args=[client.code, *arguments])


def typed(*rows, action="save", **facts):
    """The fields of the form, with rows such as (account, "", "50", "", "memo") or dicts of fields."""
    data = {"key": str(uuid.uuid4()), "date": "2026-01-15", "kind": "manual", "action": action, **facts}
    data |= {"lines-TOTAL_FORMS": str(len(rows)), "lines-INITIAL_FORMS": "0"}
    for number, row in enumerate(rows):
        named = row if isinstance(row, dict) else dict(zip(COLUMNS, row, strict=False))
        for name, value in named.items():
            data[f"lines-{number}-{name}"] = getattr(value, "pk", value)
    return data


def sentences(answer):
    """Everything the page says was wrong."""
    form, lines = answer.context["form"], answer.context["lines"]
    said = [str(error) for errors in form.errors.values() for error in errors]
    said += [str(error) for error in lines.non_form_errors()]
    return said + [str(error) for row in lines for errors in row.errors.values() for error in errors]


def shown(answer):
    """What the fields of the page hold, by name; of two with one name the first."""
    fields = _Fields()
    fields.feed(answer.content.decode())
    return fields.found


class _Fields(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = {}

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag == "input" and "name" in attributes:
            self.found.setdefault(attributes["name"], attributes.get("value", ""))
