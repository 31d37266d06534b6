from django.db import migrations

# What is shown of an earlier moment beside now, see apps/backups/look.py. Balances are debit positive, in the
# client's currency.
VIEW = """
CREATE VIEW compared_balances AS
SELECT client.code AS client, concat(account.code, ' ', account.name) AS what,
       round(sum(total.debit - total.credit), ledger_decimals(client.base_currency)) AS amount
  FROM ledger_accounttotal total
  JOIN ledger_account account ON account.id = total.account_id
  JOIN profiles_client client ON client.id = total.client_id
 GROUP BY client.id, account.id
UNION ALL
SELECT client.code, CASE entry.status WHEN 'posted' THEN 'Posted entries' ELSE 'Drafts' END, count(*)::numeric
  FROM ledger_journalentry entry JOIN profiles_client client ON client.id = entry.client_id
 GROUP BY client.id, entry.status
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0043_facts_for_backups")]

    operations = [migrations.RunSQL(VIEW, "DROP VIEW compared_balances")]
