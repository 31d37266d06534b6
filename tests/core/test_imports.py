"""Records out of files: looked at row by row, taken whole, by those who may, and never twice."""

import csv
import io
import os
import time
from decimal import Decimal

import pytest
from django.contrib import admin
from django.core.files.storage import storages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from openpyxl import Workbook

from apps.core.admin.imports import ImportMixin
from apps.core.imports import KEPT_FOR
from apps.core.tasks import _clear_old_uploads
from apps.ledger.models import (
    Account,
    Contact,
    CostCentre,
    ExchangeRate,
    FiscalYear,
    TaxCode,
    TaxIdAccess,
    TaxRate,
)
from apps.profiles.models import Client, StaffAccess
from apps.profiles.roles import Role
from tests.core.test_export import export, rows_in
from tests.core.test_walk import PEOPLE, make_person
from tests.factories import (
    give_access,
    make_account,
    make_books,
    make_client,
    make_owner,
    make_staff,
    make_user,
    make_year,
)

pytestmark = pytest.mark.django_db

LABELS = sorted(
    model._meta.label_lower for model, one in admin.site._registry.items() if isinstance(one, ImportMixin)
)


def address(label, page="import", asked=""):
    app, model = label.split(".")
    return reverse(f"admin:{app}_{model}_{page}") + asked


def look(http, label, content, asked="", name="records.csv"):
    content = content.encode() if isinstance(content, str) else content
    return http.post(address(label, asked=asked), {"file": SimpleUploadedFile(name, content)})


def confirm(http, answer, **more):
    data = {"file_token": answer.context["token"], "import": "1", **more}
    return http.post(answer.request["PATH_INFO"] + "?" + answer.request["QUERY_STRING"], data, follow=True)


def bring(http, label, content, asked=""):
    answer = look(http, label, content, asked)
    assert "token" in answer.context, answer.context["form"].errors
    assert answer.context["counts"]["wrong"] == 0, answer.context["wrong"]
    return confirm(http, answer)


def problems(answer):
    return [(row.line, " ".join(row.problems)) for row in answer.context["wrong"]]


def as_csv(rows):
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def said(answer):
    return [str(one) for one in answer.context["messages"]]


@pytest.fixture
def acorn():
    return make_client("ACORN", name="Acorn Bakery")


@pytest.fixture
def owner(client):
    user = make_owner()
    client.force_login(user)
    return user


def fill(client):
    """One record or more of every kind, with all that can be said of it."""
    head = make_account(client, "1000", "asset", "Assets", is_postable=False)
    make_account(client, "1010", "asset", "=Checking", section="bank", parent=head, currency="EUR")
    capital = make_account(client, "3000", "equity", "Capital", role="capital", share=Decimal("60.5"))
    make_account(client, "3100", "equity", "Draws", role="draw", closes_into=capital, is_active=False)
    make_account(client, "2300", "liability", "VAT", section="tax_payable")
    Contact.objects.create(
        client=client, name="Miller & Sons", is_vendor=True, email="a@b.example", address="1 Road"
    )
    CostCentre.objects.create(client=client, name="Market", is_active=False)
    code = TaxCode.objects.create(
        client=client, code="V20", name="VAT", direction="sales", account=client.accounts.get(code="2300")
    )
    TaxRate.objects.create(client=client, tax_code=code, valid_from="2025-01-01", rate=19)
    TaxRate.objects.create(client=client, tax_code=code, valid_from="2026-01-01", rate=Decimal("20.5"))
    TaxCode.objects.create(client=client, code="NO", name="None", direction="purchases", non_deductible=50)
    make_year(client, "2025-04-06", "2026-04-05")
    ExchangeRate.objects.create(
        client=client, currency="EUR", date="2026-01-31", rate=Decimal("1.0825"), source="ECB"
    )
    give_access(make_user("vera"), client, Role.PREPARER)


@pytest.mark.parametrize("label", LABELS)
def test_an_export_comes_back_as_the_same(client, acorn, owner, label):
    fill(acorn)
    answer = look(client, label, as_csv(rows_in(export(client, label))))
    counts = answer.context["counts"]
    assert counts["same"] > 0
    assert counts == {"wrong": 0, "new": 0, "changed": 0, "same": counts["same"]}, answer.context["shown"]
    assert answer.context["preview"].ignored == []


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
@pytest.mark.parametrize("label", [one for one in LABELS if one != "profiles.client"])
def test_what_is_exported_comes_in_elsewhere_as_it_was(client, acorn, owner, label, ending):
    fill(acorn)
    other = make_client("BLUEBELL", name="Bluebell")
    if label == "ledger.taxcode":
        make_account(other, "2300", "liability", "VAT", section="tax_payable")
    before = rows_in(export(client, label))
    if ending == "xlsx":
        content = excel(
            *[list(row.values()) for row in [dict(zip(before[0], before[0], strict=True)), *before]]
        )
        content = content_with(content, "ACORN", "BLUEBELL")
    else:
        content = as_csv([{**row, "client": "BLUEBELL"} for row in before]).encode()
    answer = bring(client, label, content)
    assert said(answer)[0].endswith(" changed, 0 left as they were.")

    def without_owner(row):
        return {name: value for name, value in row.items() if name not in ("client", "uuid")}

    after = [row for row in rows_in(export(client, label)) if row["client"] == "BLUEBELL"]
    assert [without_owner(row) for row in after] == [without_owner(row) for row in before]


def content_with(content, old, new):
    from openpyxl import load_workbook

    book = load_workbook(io.BytesIO(content))
    for row in book.active.iter_rows():
        for cell in row:
            if cell.value == old:
                cell.value = new
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def test_clients_come_in_as_they_were(client, acorn, owner):
    before = rows_in(export(client, "profiles.client"))
    bring(client, "profiles.client", as_csv([{**row, "code": "NEW", "name": "New one"} for row in before]))
    made = Client.objects.get(code="NEW")
    assert (made.name, made.legal_form, made.base_currency) == ("New one", "company", "USD")
    assert made.history.get().history_change_reason == "Imported from records.csv"


def test_changes_are_shown_from_and_to_and_told_in_the_history(client, acorn, owner):
    fill(acorn)
    answer = look(client, "ledger.account", "client,code,name,kind\nACORN,2300,Sales tax,liability\n")
    [row] = answer.context["shown"]
    assert (row.outcome, row.changes) == ("changed", [("name", "VAT", "Sales tax")])
    assert Account.objects.filter(name="Sales tax").count() == 0
    answer = confirm(client, answer)
    assert said(answer) == ["0 added, 1 changed, 0 left as they were."]
    record = Account.objects.get(name="Sales tax").history.first()
    assert (record.history_user, record.history_change_reason) == (owner, "Imported from records.csv")


def test_headings_may_come_after_what_stands_under_them(client, acorn, owner):
    text = "Account number,Account name,Type,Parent\n1010,Bank,assets,1000\n1000,Assets,Asset,\n"
    bring(client, "ledger.account", text, f"?client={acorn.pk}")
    assert Account.objects.get(code="1010").parent.code == "1000"


def test_cells_may_be_pasted(client, acorn, owner):
    answer = client.post(
        address("ledger.costcentre", asked=f"?client={acorn.pk}"), {"text": "name\tactive\nMarket\tyes\n"}
    )
    confirm(client, answer)
    assert CostCentre.objects.get().name == "Market"


def test_a_fiscal_year_comes_with_its_periods(client, acorn, owner):
    head = "client,first day,last day\n"
    bring(client, "ledger.fiscalyear", head + "ACORN,2027-01-01,2027-12-31\nACORN,2026-01-01,2026-12-31\n")
    assert [year.periods.count() for year in FiscalYear.objects.order_by("start")] == [13, 13]
    assert problems(
        look(client, "ledger.fiscalyear", "client,first day,last day\nACORN,2029-01-01,2029-12-31\n")
    ) == [
        (
            2,
            "Fiscal years follow each other: a new one begins on the day after the last one ends, or ends "
            "on the day before the first one begins. Only the first or the last one can be removed.",
        )
    ]


def test_a_tax_id_goes_its_own_way(client, acorn, owner):
    contact = Contact.objects.create(client=acorn, name="Landlord", tax_id="12-3456789")
    same = look(client, "ledger.contact", "client,name,tax id\nACORN,Landlord,•••••••789\n")
    assert same.context["counts"]["same"] == 1
    answer = look(client, "ledger.contact", "client,name,tax id\nACORN,Landlord,98-7654321\n")
    assert answer.context["shown"][0].changes == [("tax id", "•••••••789", "•••••••321")]
    confirm(client, answer)
    contact.refresh_from_db()
    assert contact.tax_id == "98-7654321"
    assert TaxIdAccess.objects.get().what == "changed"


BAD = [
    (
        "ledger.account",
        "client,code,name,kind\nACORN,6100,Rent,costs\n",
        "kind: “costs” is none of these: asset",
    ),
    (
        "ledger.account",
        "client,code,name,kind\nACORN,,Rent,expense\n",
        "It is not said which record this is: code.",
    ),
    ("ledger.account", "client,code,name,kind\nACORN,6100,,expense\n", "name: "),
    (
        "ledger.account",
        "client,code,name,kind\nNOBODY,6100,Rent,expense\n",
        "There is no client NOBODY that you may do this for.",
    ),
    (
        "ledger.account",
        "client,code,name,kind,under\nACORN,1,A,asset,99\n",
        "under: There is no account “99” in the chart.",
    ),
    (
        "ledger.account",
        "client,code,name,kind,active\nACORN,1,A,asset,maybe\n",
        "active: “maybe” is neither yes nor no.",
    ),
    (
        "ledger.account",
        "client,code,name,kind,section\nACORN,1,A,asset,card\n",
        "This section is not one for accounts of this kind.",
    ),
    (
        "ledger.exchangerate",
        "client,currency,date,rate\nACORN,EUR,31/02/2026,1\n",
        "date: There is no day 31/02/2026",
    ),
    (
        "ledger.exchangerate",
        'client,currency,date,rate\nACORN,EUR,2026-01-31,"1.234,56"\n',
        "rate: “1.234,56” is no amount with a decimal point.",
    ),
    (
        "ledger.exchangerate",
        "client,currency,date,rate\nACORN,EUR,2026-01-31,-1\n",
        "A rate is a positive number.",
    ),
    (
        "ledger.exchangerate",
        "client,currency,date,rate\nACORN,USD,2026-01-31,1\n",
        "currency: The books are kept in USD: it needs no rate.",
    ),
    ("ledger.contact", f"client,name\nACORN,{'x' * 300}\n", "name: "),
    (
        "ledger.taxcode",
        "client,code,name,direction,rate\nACORN,V,VAT,sales,20\n",
        "rate: A rate has the day it begins on beside it.",
    ),
    (
        "profiles.staffaccess",
        "client,person,role\nACORN,nobody,viewer\n",
        "person: There is no person “nobody”.",
    ),
    (
        "profiles.client",
        "code,name,legal form\nBAD CODE,A,company\n",
        "code: Use letters, digits and hyphens only.",
    ),
    (
        "profiles.client",
        "code,name,legal form,base currency\nA,A,company,XXX\n",
        "base currency: “XXX” is none of these",
    ),
]


@pytest.mark.parametrize(("label", "text", "sentence"), BAD)
def test_a_wrong_row_is_a_sentence_and_stops_the_file(client, acorn, owner, label, text, sentence):
    good = {
        "ledger.account": "ACORN,7777,Good,expense",
        "ledger.exchangerate": "ACORN,CHF,2026-01-31,1",
        "ledger.contact": "ACORN,Good",
        "ledger.taxcode": "ACORN,GOOD,Good,sales",
        "profiles.client": "GOOD,Good,company",
    }.get(label)
    before = sizes()
    answer = look(client, label, text + (good + "\n" if good else ""))
    [(line, said_of_it)] = problems(answer)
    assert line == 2
    assert sentence in said_of_it
    assert 'name="import"' not in answer.content.decode()
    answer = confirm(client, answer)
    assert said(answer) == ["Nothing was imported: some rows are wrong."]
    assert sizes() == before
    wrong = confirm(client, answer, wrong_rows="1").content.decode("utf-8-sig")
    assert wrong.splitlines()[0].startswith("line,what is wrong,")
    assert len(wrong.splitlines()) == 2


def sizes():
    models = [Account, Contact, CostCentre, ExchangeRate, TaxCode, TaxRate, FiscalYear, Client, StaffAccess]
    return [model.objects.count() for model in models] + [model.history.count() for model in models]


def test_the_same_twice_in_a_file_is_said(client, acorn, owner):
    text = "client,name\nACORN,Market\nACORN,MARKET\n"
    assert problems(look(client, "ledger.costcentre", text)) == [(3, "The same stands on row 2 already.")]


def excel(*rows, merge=""):
    book = Workbook()
    for row in rows:
        book.active.append(row)
    if merge:
        book.active.merge_cells(merge)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "There is nothing in this file."),
        (b"name\n", "There are no rows under the header."),
        (b"colour,size\nred,1\n", "These are missing: name."),
        (b"name;active\n\x00\x01", "no readable text"),
        (b'name\n"never closed\n', "cannot be read as CSV"),
        (b"%PDF-1.7", "not a table but a web page"),
        (b"PK\x03\x04", "This Excel file is damaged"),
        (excel(["name", "active"], ["A", "=1=1"]), "holds a formula without a result"),
        (excel(["name", "active"], ["A", "yes"], [None, "no"], merge="A2:A3"), "are merged"),
        (b"name\n" + b"x\n" * 5001, "There are more than 5,000 rows: split the file."),
    ],
)
def test_a_file_that_cannot_be_read_is_a_sentence(client, acorn, owner, content, sentence):
    answer = look(client, "ledger.costcentre", content, f"?client={acorn.pk}")
    assert sentence in " ".join(answer.context["form"].non_field_errors())
    assert CostCentre.objects.count() == 0


def test_what_looks_like_a_formula_is_stored_as_it_was(client, acorn, owner):
    bring(client, "ledger.costcentre", "client,name\nACORN,'=1+1\nACORN,'quoted\n")
    assert set(CostCentre.objects.values_list("name", flat=True)) == {"=1+1", "'quoted"}


# What happened between the preview and the import


def test_records_that_changed_since_are_shown_again_and_nothing_is_done(client, acorn, owner):
    answer = look(client, "ledger.account", "client,code,name,kind\nACORN,6100,Rent,expense\n")
    make_account(acorn, "6100", name="Leases")
    answer = confirm(client, answer)
    assert said(answer)[0].startswith("Nothing was imported: the records have changed since the preview.")
    assert answer.context["shown"][0].changes == [("name", "Leases", "Rent")]
    confirm(client, answer)
    assert Account.objects.get(code="6100").name == "Rent"


def test_an_upload_that_is_gone_or_somebody_elses_is_a_sentence(client, acorn, owner):
    answer = look(client, "ledger.costcentre", "client,name\nACORN,Market\n")
    for one in storages["imports"].listdir("imports")[1]:
        storages["imports"].delete(f"imports/{one}")
    assert said(confirm(client, answer)) == ["The uploaded file has expired. Upload it again."]
    answer = look(client, "ledger.costcentre", "client,name\nACORN,Market\n")
    client.force_login(make_owner())
    assert said(confirm(client, answer)) == ["The uploaded file has expired. Upload it again."]
    assert said(confirm(client, answer, file_token="forged")) == [
        "The uploaded file has expired. Upload it again."
    ]
    assert CostCentre.objects.count() == 0


def test_nothing_is_left_of_an_upload_that_was_imported(client, acorn, owner):
    bring(client, "ledger.costcentre", "client,name\nACORN,Market\n")
    assert storages["imports"].listdir("imports")[1] == []


def test_an_upload_that_nobody_imports_is_forgotten_after_a_day(client, acorn, owner):
    look(client, "ledger.costcentre", "client,name\nACORN,Market\n")
    [name] = storages["imports"].listdir("imports")[1]
    _clear_old_uploads()
    path = storages["imports"].path(f"imports/{name}")
    os.utime(path, (0, time.time() - KEPT_FOR - 60))
    _clear_old_uploads()
    assert storages["imports"].listdir("imports")[1] == []


# Who may


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("name", PEOPLE)
def test_the_pages_are_for_those_who_may_add_or_change(client, acorn, name, label):
    user = make_person(name, acorn)
    client.force_login(user)
    may = {
        "profiles.client": {"manager", "owner"},
        "profiles.staffaccess": {"manager", "owner"},
        "ledger.fiscalyear": {"manager", "owner"},
        "ledger.taxcode": {"reviewer", "manager", "owner"},
    }.get(label, {"preparer", "reviewer", "manager", "owner"})
    expected = 200 if name in may else 403
    assert client.get(address(label)).status_code == expected
    assert client.get(address(label, "import_template")).status_code == expected
    assert client.post(address(label), {"text": "x"}).status_code == expected


@pytest.mark.parametrize("label", LABELS)
def test_a_visitor_is_sent_to_sign_in(client, label):
    for page in ("import", "import_template"):
        answer = client.get(address(label, page))
        assert answer.status_code == 302
        assert answer.url.startswith(reverse("admin:login"))


def test_a_row_for_a_client_out_of_sight_reads_as_one_for_none(client, acorn):
    make_client("SECRET")
    client.force_login(make_staff(acorn, Role.PREPARER))
    text = "client,name\nACORN,A\nSECRET,B\nNOBODY,C\n"
    assert problems(look(client, "ledger.costcentre", text)) == [
        (3, "There is no client SECRET that you may do this for."),
        (4, "There is no client NOBODY that you may do this for."),
    ]


def test_rights_are_those_for_each_rows_client(client, acorn):
    user = make_staff(acorn, Role.PREPARER)
    other, _accounts = make_books(make_client("BLUEBELL"))
    give_access(user, other, Role.VIEWER)
    client.force_login(user)
    text = "client,code,name,kind\nACORN,6100,Rent,expense\n"
    text += "BLUEBELL,6100,Hacked,expense\nBLUEBELL,7000,New,expense\n"
    assert problems(look(client, "ledger.account", text)) == [
        (3, "You may not change this for that client."),
        (4, "You may not add this for that client."),
    ]


def test_a_manager_changes_clients_and_makes_none(client, acorn):
    make_client("SECRET", name="Secret")
    client.force_login(make_staff(acorn, Role.MANAGER))
    text = "code,name,legal form\nACORN,Acorn Bakers,company\nNEW,New,company\nSECRET,Mine,company\n"
    answer = look(client, "profiles.client", text)
    assert problems(answer) == [
        (3, "You may not add this for that client."),
        (4, "You may not add this for that client."),
    ]


@pytest.mark.parametrize(
    "label", ["ledger.account", "ledger.contact", "ledger.taxcode", "ledger.exchangerate"]
)
def test_looking_costs_the_same_look_ups_for_many_rows(client, acorn, owner, label):
    def rows(count):
        row = {
            "ledger.account": "ACORN,{0},Rent {0},expense",
            "ledger.contact": "ACORN,Contact {0}",
            "ledger.taxcode": "ACORN,T{0},Tax,sales",
            "ledger.exchangerate": "ACORN,EUR,20{0:02}-01-01,1.1",
        }[label]
        head = {
            "ledger.account": "client,code,name,kind",
            "ledger.contact": "client,name",
            "ledger.taxcode": "client,code,name,direction",
            "ledger.exchangerate": "client,currency,date,rate",
        }[label]
        return "\n".join([head, *(row.format(n) for n in range(count))]) + "\n"

    def reads(count):
        with CaptureQueriesContext(connection) as queries:
            look(client, label, rows(count))
        return sum(one["sql"].startswith("SELECT") for one in queries)

    reads(2)
    assert reads(40) <= reads(2)


def test_templates_are_files_that_could_be_imported(client, acorn, owner):
    for label in LABELS:
        text = client.get(address(label, "import_template")).content.decode("utf-8-sig")
        head, example = csv.reader(io.StringIO(text))
        assert len(example) <= len(head)
        assert example, label
