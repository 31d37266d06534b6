from django.db import migrations

from apps.core.guards import Refuse

# Minor units by ISO 4217 (2024); every currency that is not named here has two decimals.
FUNCTIONS = """
CREATE FUNCTION ledger_decimals(currency text) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI',
                          'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 0
        WHEN currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 3
        WHEN currency IN ('CLF', 'UYW') THEN 4
        ELSE 2
    END
$$;

CREATE FUNCTION ledger_refuse(rule text, explanation text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = '23514', CONSTRAINT = rule, MESSAGE = explanation;
END $$;

-- The one lock that posting, closing and changes to what they read share. It lets foreign keys pass.
-- Whoever waited for it must see what was committed meanwhile, which an older snapshot would hide.
CREATE FUNCTION ledger_lock_client(one bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    base text;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        PERFORM ledger_refuse('ledger_read_committed', 'the books are written in READ COMMITTED transactions');
    END IF;
    SELECT base_currency INTO base FROM profiles_client WHERE id = one FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM ledger_refuse('ledger_client_exists', 'there is no such client');
    END IF;
    RETURN base;
END $$;

-- Why something out of the ordinary is done; the service sets it for its transaction.
CREATE FUNCTION ledger_reason() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT btrim(coalesce(current_setting('ledgerflow.reason', true), ''), E' \\t\\r\\n')
$$;

CREATE FUNCTION ledger_client_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM ledger_refuse('ledger_client_fixed', TG_TABLE_NAME || ' cannot move to another client');
    RETURN NULL;
END $$;

CREATE FUNCTION ledger_guard_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF EXISTS (SELECT FROM ledger_journalline WHERE client_id = OLD.client_id AND account_id = OLD.id) THEN
            PERFORM ledger_refuse('ledger_account_used', 'used account cannot be deleted');
        END IF;
        RETURN OLD;
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.uuid <> OLD.uuid THEN
        PERFORM ledger_refuse('ledger_account_frozen', 'the uuid of an account is fixed');
    END IF;
    IF TG_OP = 'UPDATE' AND (NEW.kind, NEW.currency, NEW.is_postable) <> (OLD.kind, OLD.currency, OLD.is_postable) THEN
        PERFORM ledger_lock_client(OLD.client_id);
        IF EXISTS (  -- the entry says it first: its lines follow at the end of the statement
            SELECT FROM ledger_journalline l JOIN ledger_journalentry e ON e.id = l.entry_id AND e.status = 'posted'
             WHERE l.client_id = OLD.client_id AND l.account_id = OLD.id
        ) THEN
            PERFORM ledger_refuse('ledger_account_frozen', 'kind, currency and postability are fixed once used');
        END IF;
    END IF;
    IF NEW.parent_id IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.parent_id IS DISTINCT FROM OLD.parent_id) THEN
        PERFORM ledger_lock_client(NEW.client_id);
        IF EXISTS (
            WITH RECURSIVE above AS (
                SELECT NEW.parent_id AS id
                UNION
                SELECT a.parent_id FROM ledger_account a JOIN above ON a.id = above.id
            )
            SELECT FROM above WHERE id = NEW.id
        ) THEN
            PERFORM ledger_refuse('ledger_account_no_cycle', 'an account cannot stand under itself');
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER ledger_guard_account BEFORE INSERT OR UPDATE OR DELETE ON ledger_account
    FOR EACH ROW EXECUTE FUNCTION ledger_guard_account();

CREATE FUNCTION ledger_guard_client() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM ledger_lock_client(OLD.id);
    IF EXISTS (SELECT FROM ledger_journalentry WHERE client_id = OLD.id AND position = 1) THEN
        PERFORM ledger_refuse('ledger_client_currency_frozen', 'the base currency is fixed once an entry is posted');
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER ledger_guard_client BEFORE UPDATE ON profiles_client
    FOR EACH ROW WHEN (OLD.base_currency <> NEW.base_currency) EXECUTE FUNCTION ledger_guard_client();

CREATE TRIGGER ledger_taxcode_uuid_fixed BEFORE UPDATE ON ledger_taxcode  -- the chain names it by its uuid
    FOR EACH ROW WHEN (OLD.uuid <> NEW.uuid) EXECUTE FUNCTION core_refuse();
"""

DROP = """
DROP TRIGGER ledger_taxcode_uuid_fixed ON ledger_taxcode;
DROP TRIGGER ledger_guard_client ON profiles_client;
DROP TRIGGER ledger_guard_account ON ledger_account;
DROP FUNCTION ledger_guard_client, ledger_guard_account, ledger_client_fixed, ledger_reason,
    ledger_lock_client, ledger_refuse, ledger_decimals;
"""

TABLES = [
    "ledger_account",
    "ledger_contact",
    "ledger_costcentre",
    "ledger_taxcode",
    "ledger_taxrate",
    "ledger_fiscalyear",
    "ledger_period",
    "ledger_journalentry",
    "ledger_journalline",
    "ledger_attachment",
]


def stays_with_its_client(table: str) -> migrations.RunSQL:
    return migrations.RunSQL(
        f"CREATE TRIGGER {table}_client_fixed BEFORE UPDATE ON {table} FOR EACH ROW "
        "WHEN (OLD.client_id <> NEW.client_id) EXECUTE FUNCTION ledger_client_fixed()",
        f"DROP TRIGGER {table}_client_fixed ON {table}",
    )


class Migration(migrations.Migration):
    """Nothing changes its client; a used account keeps what the books rest on; currencies stay."""

    dependencies = [("ledger", "0001_initial"), ("core", "0002_guards"), ("profiles", "0002_guards")]

    operations = [
        migrations.RunSQL(FUNCTIONS, DROP),
        *map(stays_with_its_client, TABLES),
        *(
            Refuse(f"{table}_emptied", event="TRUNCATE", table=table)
            for table in [*TABLES, "ledger_accounttotal", "profiles_client", "profiles_staffaccess"]
        ),
    ]
