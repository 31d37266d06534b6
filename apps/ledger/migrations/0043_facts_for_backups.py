from django.db import migrations

# What a backup's test compares, see apps/backups/manifest.py: for each client the size of the books and its
# trial balance. It rests on the totals by month, which the test holds against the lines when it checks the
# books, so that a backup need not add up every line once more.
VIEW = """
CREATE VIEW manifest_trial_balances AS
SELECT client.code AS name,
       coalesce(entries.posted, 0) AS posted,
       coalesce(entries.drafts, 0) AS drafts,
       coalesce(totals.debits, 0) AS debits,
       totals.checksum AS checksum_of_balances
  FROM profiles_client client
  LEFT JOIN (
       SELECT client_id, count(*) FILTER (WHERE status = 'posted') AS posted,
              count(*) FILTER (WHERE status = 'draft') AS drafts
         FROM ledger_journalentry GROUP BY client_id
  ) entries ON entries.client_id = client.id
  LEFT JOIN (
       SELECT client_id, sum(debits) AS debits,
              md5(string_agg(account_id || ' ' || balance, ',' ORDER BY account_id)) AS checksum
         FROM (
              SELECT client_id, account_id, sum(debit - credit) AS balance, sum(debit) AS debits
                FROM ledger_accounttotal GROUP BY client_id, account_id
         ) accounts GROUP BY client_id
  ) totals ON totals.client_id = client.id
"""


class Migration(migrations.Migration):
    dependencies = [
        ("ledger", "0042_guards_of_exchange_rates"),
        ("profiles", "0001_initial"),
    ]

    operations = [migrations.RunSQL(VIEW, "DROP VIEW manifest_trial_balances")]
