from django.db import migrations

FACTS = """
-- The accounting facts of a posted entry as one text, the same in every database that holds it:
-- uuids instead of ids, dates and decimals in one form.
CREATE FUNCTION ledger_entry_facts(e ledger_journalentry) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT concat_ws('|', 'v1', e.uuid, to_char(e.date, 'YYYY-MM-DD'), to_char(y.start, 'YYYY-MM-DD'),
                     to_char(p.start, 'YYYY-MM-DD'), CASE WHEN p.is_adjusting THEN 'adjusting' ELSE '' END,
                     e.number, e.position, e.kind, coalesce(r.uuid::text, ''))
           || coalesce(l.lines, '')
      FROM ledger_period p
      JOIN ledger_fiscalyear y ON y.id = p.fiscal_year_id
      LEFT JOIN ledger_journalentry r ON r.id = e.reverses_id
      CROSS JOIN LATERAL (
        SELECT string_agg(
                 chr(10) || concat_ws('|', l.line_number, a.uuid, l.amount, l.currency,
                     coalesce(l.foreign_amount::text, ''), coalesce(l.rate::text, ''),
                     coalesce(t.uuid::text, ''), coalesce(l.tax_base::text, ''),
                     coalesce(oe.uuid::text || '#' || o.line_number, '')),
                 '' ORDER BY l.line_number) AS lines
          FROM ledger_journalline l
          JOIN ledger_account a ON a.id = l.account_id
          LEFT JOIN ledger_taxcode t ON t.id = l.tax_code_id
          LEFT JOIN ledger_journalline o ON o.id = l.recodes_id
          LEFT JOIN ledger_journalentry oe ON oe.id = o.entry_id
         WHERE l.entry_id = e.id
      ) l
     WHERE p.id = e.period_id
$$;
"""

ENTRY = """
CREATE FUNCTION ledger_guard_entry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.status <> 'draft' THEN
            PERFORM ledger_refuse('ledger_entry_begins_as_draft', 'an entry is drafted, then posted');
        END IF;
        RETURN NEW;
    ELSIF TG_OP = 'DELETE' THEN
        IF OLD.status = 'posted' THEN
            PERFORM ledger_refuse('ledger_entry_posted_stays', 'a posted entry cannot be deleted; reverse it');
        END IF;
        RETURN OLD;
    ELSIF OLD.status = 'posted' THEN
        IF (to_jsonb(NEW) - '{description,document_number,document_date,review,review_note}'::text[])
           IS DISTINCT FROM
           (to_jsonb(OLD) - '{description,document_number,document_date,review,review_note}'::text[]) THEN
            PERFORM ledger_refuse('ledger_entry_posted_frozen', 'the facts of a posted entry are fixed');
        END IF;
        RETURN NEW;
    ELSIF NEW.uuid <> OLD.uuid THEN
        PERFORM ledger_refuse('ledger_entry_posted_frozen', 'the uuid of an entry is fixed');
    ELSIF NEW.status = 'posted' THEN
        RETURN ledger_post(NEW);
    END IF;
    RETURN NEW;
END $$;

-- Posting: every rule is asked here, under the client's lock, and number, place in the chain and hash are set.
CREATE FUNCTION ledger_post(e ledger_journalentry) RETURNS ledger_journalentry LANGUAGE plpgsql AS $$
DECLARE
    base text := ledger_lock_client(e.client_id);
    p ledger_period;
    body record;
    last record;
    given record;
BEGIN
    SELECT count(*) AS lines, coalesce(sum(l.amount), 0) AS difference,
           bool_or(a.is_postable IS NOT TRUE) AS heading, bool_or(NOT a.is_active) AS inactive,
           bool_or(l.amount <> round(l.amount, ledger_decimals(base))
                   OR l.tax_base <> round(l.tax_base, ledger_decimals(base))) AS too_fine,
           bool_or(l.currency = base OR (a.currency NOT IN ('', base) AND l.currency <> a.currency)) AS wrong_currency,
           bool_or(l.recodes_id IS NOT NULL) AS recodes
      INTO body
      FROM ledger_journalline l
      LEFT JOIN ledger_account a ON a.id = l.account_id AND a.client_id = e.client_id
     WHERE l.entry_id = e.id;
    IF body.lines < 2 THEN
        PERFORM ledger_refuse('ledger_entry_two_lines', 'an entry has at least two lines');
    ELSIF body.difference <> 0 THEN
        PERFORM ledger_refuse('ledger_entry_balanced', 'debits and credits differ by ' || body.difference);
    ELSIF body.heading THEN
        PERFORM ledger_refuse('ledger_entry_postable_accounts', 'a heading cannot be posted to');
    ELSIF body.inactive AND e.kind <> 'closing' AND e.reverses_id IS NULL THEN
        PERFORM ledger_refuse('ledger_entry_active_accounts', 'an inactive account cannot be posted to');
    ELSIF body.too_fine THEN
        PERFORM ledger_refuse('ledger_line_decimals', 'more decimals than the currency has');
    ELSIF body.wrong_currency THEN
        PERFORM ledger_refuse('ledger_line_account_currency', 'the line is not in the currency of its account');
    END IF;

    SELECT q.* INTO p FROM ledger_period q
     WHERE q.client_id = e.client_id AND e.date BETWEEN q.start AND q."end"
       AND (q.id = e.period_id OR (e.period_id IS NULL AND (NOT q.is_adjusting OR e.kind IN ('adjusting', 'closing'))))
     ORDER BY ledger_rank(q.state), q.is_adjusting DESC LIMIT 1;
    IF NOT FOUND THEN
        PERFORM ledger_refuse('ledger_entry_has_period', 'no period holds the date of the entry');
    ELSIF p.is_adjusting AND e.kind NOT IN ('adjusting', 'closing', 'fx') THEN
        PERFORM ledger_refuse('ledger_entry_adjusting_kinds', 'the adjusting period takes adjustments and the year end only');
    ELSIF p.state = 'locked' THEN
        PERFORM ledger_refuse('ledger_entry_period_locked', 'the period is locked');
    ELSIF p.state = 'soft_closed' AND ledger_reason() = '' THEN
        PERFORM ledger_refuse('ledger_entry_period_soft_closed', 'posting into a soft-closed period needs a reason');
    END IF;

    IF e.reverses_id IS NOT NULL OR e.kind = 'reversal' THEN
        PERFORM ledger_check_reversal(e);
    END IF;
    IF body.recodes OR e.kind = 'recode' THEN
        PERFORM ledger_check_recode(e);
    END IF;
    IF e.kind = 'opening' AND ledger_reason() = '' AND EXISTS (
        SELECT FROM ledger_journalentry o
         WHERE o.client_id = e.client_id AND o.kind = 'opening' AND o.status = 'posted'
           AND NOT EXISTS (SELECT FROM ledger_journalentry r WHERE r.reverses_id = o.id AND r.status = 'posted')
    ) THEN
        PERFORM ledger_refuse('ledger_entry_one_opening', 'a second opening entry needs a reason');
    END IF;

    SELECT o.position, o.hash INTO last FROM ledger_journalentry o
     WHERE o.client_id = e.client_id AND o.position IS NOT NULL ORDER BY o.position DESC LIMIT 1;
    SELECT e.number, e.position, e.hash, e.fiscal_year_id INTO given;
    e.period_id := p.id;
    e.fiscal_year_id := p.fiscal_year_id;
    e.position := coalesce(last.position, 0) + 1;
    SELECT coalesce(max(o.number), 0) + 1 INTO e.number FROM ledger_journalentry o
     WHERE o.client_id = e.client_id AND o.fiscal_year_id = p.fiscal_year_id;
    e.posted_at := clock_timestamp();
    e.hash := sha256(coalesce(last.hash, '') || convert_to(ledger_entry_facts(e), 'UTF8'));
    IF given.number <> e.number OR given.position <> e.position OR given.fiscal_year_id <> e.fiscal_year_id THEN
        PERFORM ledger_refuse('ledger_entry_number_follows', 'numbers run without gaps, and the next one is ' || e.number);
    ELSIF given.hash <> e.hash THEN
        PERFORM ledger_refuse('ledger_entry_hash_fits', 'the hash is not that of the entry after the last one');
    END IF;
    RETURN e;
END $$;

CREATE FUNCTION ledger_check_reversal(e ledger_journalentry) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    o ledger_journalentry;
BEGIN
    SELECT * INTO o FROM ledger_journalentry WHERE id = e.reverses_id AND client_id = e.client_id AND status = 'posted';
    IF NOT FOUND OR e.kind <> (CASE WHEN o.kind IN ('closing', 'adjusting') THEN o.kind ELSE 'reversal' END) THEN
        PERFORM ledger_refuse('ledger_entry_reverses_posted', 'a reversal is of a posted entry, and of its kind');
    ELSIF EXISTS (
        SELECT FROM ledger_journalentry q
         WHERE q.id = o.reverses_id
           AND (q.kind = 'opening'
                OR EXISTS (SELECT FROM ledger_journalline l WHERE l.entry_id = q.id AND l.recodes_id IS NOT NULL))
    ) THEN
        PERFORM ledger_refuse('ledger_entry_reversal_final', 'an undone opening or recoding is posted anew');
    ELSIF e.date < o.date THEN
        PERFORM ledger_refuse('ledger_entry_reversal_date', 'a reversal is never dated before its original');
    ELSIF EXISTS (
        SELECT FROM (SELECT *, row_number() OVER (ORDER BY line_number) AS place
                       FROM ledger_journalline WHERE entry_id = o.id) a
          FULL JOIN (SELECT *, row_number() OVER (ORDER BY line_number) AS place
                       FROM ledger_journalline WHERE entry_id = e.id) b USING (place)
         WHERE (a.account_id, a.amount, a.currency, a.foreign_amount, a.rate, a.tax_code_id, a.tax_base)
               IS DISTINCT FROM
               (b.account_id, -b.amount, b.currency, -b.foreign_amount, b.rate, b.tax_code_id, -b.tax_base)
    ) THEN
        PERFORM ledger_refuse('ledger_entry_reversal_mirrors', 'a reversal mirrors its original line by line');
    ELSIF EXISTS (
        SELECT FROM ledger_journalline l
          JOIN ledger_journalline r ON r.recodes_id = l.id
          JOIN ledger_journalentry re ON re.id = r.entry_id AND re.status = 'posted'
         WHERE l.entry_id = o.id
           AND NOT EXISTS (SELECT FROM ledger_journalentry u WHERE u.reverses_id = r.entry_id AND u.status = 'posted')
    ) THEN
        PERFORM ledger_refuse('ledger_entry_reversal_recoded', 'a recoded entry is reversed after its recoding');
    END IF;
END $$;

CREATE FUNCTION ledger_check_recode(e ledger_journalentry) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM ledger_journalline l LEFT JOIN ledger_journalline o ON o.id = l.recodes_id
         WHERE l.entry_id = e.id AND l.recodes_id IS NOT NULL
           AND (o.is_posted IS NOT TRUE OR o.date > e.date OR o.kind = 'closing'
                OR e.kind <> (CASE o.kind WHEN 'adjusting' THEN 'adjusting' ELSE 'recode' END)
                OR (l.account_id, l.amount, l.currency, l.foreign_amount, l.rate, l.tax_code_id, l.tax_base)
                   IS DISTINCT FROM
                   (o.account_id, -o.amount, o.currency, -o.foreign_amount, o.rate, o.tax_code_id, -o.tax_base))
    ) OR EXISTS (  -- as many lines put there as are taken back, amount by amount
        SELECT amount, currency, foreign_amount, rate, tax_code_id, tax_base
          FROM ledger_journalline WHERE entry_id = e.id AND recodes_id IS NULL
        EXCEPT ALL
        SELECT -amount, currency, -foreign_amount, rate, tax_code_id, -tax_base
          FROM ledger_journalline WHERE entry_id = e.id AND recodes_id IS NOT NULL
    ) OR (SELECT count(*) <> 2 * count(recodes_id) FROM ledger_journalline WHERE entry_id = e.id) THEN
        PERFORM ledger_refuse('ledger_entry_recode_mirrors', 'a recoding takes posted lines back, each for another');
    ELSIF EXISTS (
        SELECT FROM ledger_journalline l
         WHERE l.entry_id = e.id
           AND ((SELECT count(*) FROM ledger_journalline s WHERE s.entry_id = e.id AND s.recodes_id = l.recodes_id) > 1
                OR EXISTS (
                    SELECT FROM ledger_journalline r
                      JOIN ledger_journalentry re ON re.id = r.entry_id AND re.status = 'posted'
                     WHERE r.recodes_id = l.recodes_id
                       AND NOT EXISTS (SELECT FROM ledger_journalentry u
                                        WHERE u.reverses_id = r.entry_id AND u.status = 'posted'))
                OR EXISTS (
                    SELECT FROM ledger_journalline o
                      JOIN ledger_journalentry u ON u.reverses_id = o.entry_id AND u.status = 'posted'
                     WHERE o.id = l.recodes_id))
    ) THEN
        PERFORM ledger_refuse('ledger_entry_recoded_once', 'that line is recoded or reversed already');
    END IF;
END $$;

-- What lines copy from their entry, and the totals by month, follow in the same statement.
CREATE FUNCTION ledger_follow_entry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE ledger_journalline SET is_posted = (NEW.status = 'posted') WHERE entry_id = NEW.id;
    IF NEW.status = 'posted' THEN
        INSERT INTO ledger_accounttotal AS t
               (client_id, account_id, month, kind, debit, credit, foreign_amount, lines)
        SELECT NEW.client_id, account_id, date_trunc('month', NEW.date)::date, NEW.kind,
               sum(debit), sum(credit), sum(coalesce(foreign_amount, 0)), count(*)
          FROM ledger_journalline WHERE entry_id = NEW.id GROUP BY account_id ORDER BY account_id
        ON CONFLICT (client_id, account_id, month, kind) DO UPDATE
           SET debit = t.debit + excluded.debit, credit = t.credit + excluded.credit,
               foreign_amount = t.foreign_amount + excluded.foreign_amount, lines = t.lines + excluded.lines;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER ledger_guard_entry BEFORE INSERT OR UPDATE OR DELETE ON ledger_journalentry
    FOR EACH ROW EXECUTE FUNCTION ledger_guard_entry();
CREATE TRIGGER ledger_follow_entry AFTER UPDATE ON ledger_journalentry FOR EACH ROW
    WHEN (OLD.status = 'draft' AND (OLD.status, OLD.date, OLD.kind) IS DISTINCT FROM (NEW.status, NEW.date, NEW.kind))
    EXECUTE FUNCTION ledger_follow_entry();
"""

LINE = """
CREATE FUNCTION ledger_guard_line() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    e record;
    base text;
    account_currency text;
BEGIN
    -- The lock is as strong as posting's own: two who add lines wait for each other here, not in a deadlock there.
    FOR e IN
        SELECT id, status, date, kind FROM ledger_journalentry
         WHERE id IN (CASE WHEN TG_OP <> 'INSERT' THEN OLD.entry_id END, CASE WHEN TG_OP <> 'DELETE' THEN NEW.entry_id END)
         ORDER BY id FOR NO KEY UPDATE
    LOOP
        IF e.status = 'posted' AND (
            TG_OP <> 'UPDATE'
            OR (NEW.id, NEW.client_id, NEW.entry_id, NEW.line_number, NEW.account_id, NEW.amount, NEW.currency,
                NEW.foreign_amount, NEW.rate, NEW.tax_code_id, NEW.tax_base, NEW.recodes_id)
               IS DISTINCT FROM
               (OLD.id, OLD.client_id, OLD.entry_id, OLD.line_number, OLD.account_id, OLD.amount, OLD.currency,
                OLD.foreign_amount, OLD.rate, OLD.tax_code_id, OLD.tax_base, OLD.recodes_id)
        ) THEN
            PERFORM ledger_refuse('ledger_line_posted_frozen', 'the lines of a posted entry are fixed');
        END IF;
        IF TG_OP <> 'DELETE' AND e.id = NEW.entry_id THEN
            NEW.date := e.date;
            NEW.kind := e.kind;
            NEW.is_posted := e.status = 'posted';
        END IF;
    END LOOP;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    ELSIF NOT FOUND THEN  -- its key may be checked later only, but what it copies is taken now
        PERFORM ledger_refuse('ledger_line_entry_same_client', 'there is no such entry');
    ELSIF NEW.is_posted THEN
        RETURN NEW;
    END IF;
    IF NEW.line_number = 0 THEN
        SELECT coalesce(max(line_number), 0) + 1 INTO NEW.line_number
          FROM ledger_journalline WHERE entry_id = NEW.entry_id;
    END IF;
    SELECT c.base_currency, a.currency INTO base, account_currency
      FROM profiles_client c LEFT JOIN ledger_account a ON a.id = NEW.account_id WHERE c.id = NEW.client_id;
    IF NEW.currency = base OR (account_currency NOT IN ('', base) AND NEW.currency <> account_currency) THEN
        PERFORM ledger_refuse('ledger_line_account_currency', 'the line is not in the currency of its account');
    END IF;
    IF NEW.amount <> round(NEW.amount, ledger_decimals(base))
       OR NEW.tax_base <> round(NEW.tax_base, ledger_decimals(base))
       OR NEW.foreign_amount <> round(NEW.foreign_amount, ledger_decimals(NEW.currency)) THEN
        PERFORM ledger_refuse('ledger_line_decimals', 'more decimals than the currency has');
    END IF;
    IF NEW.foreign_amount <> 0 AND NEW.rate IS NULL THEN  -- what was really paid says what the rate was
        NEW.rate := nullif(round(NEW.amount / NEW.foreign_amount, 10), 0);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER ledger_guard_line BEFORE INSERT OR UPDATE OR DELETE ON ledger_journalline
    FOR EACH ROW EXECUTE FUNCTION ledger_guard_line();

CREATE FUNCTION ledger_guard_total() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() < 2 THEN
        PERFORM ledger_refuse('ledger_accounttotal_derived', 'totals are kept by the database alone');
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER ledger_guard_total BEFORE INSERT OR UPDATE OR DELETE ON ledger_accounttotal
    FOR EACH ROW EXECUTE FUNCTION ledger_guard_total();
"""

DROP_LINE = """
DROP TRIGGER ledger_guard_total ON ledger_accounttotal;
DROP TRIGGER ledger_guard_line ON ledger_journalline;
DROP FUNCTION ledger_guard_total, ledger_guard_line;
"""
DROP_ENTRY = """
DROP TRIGGER ledger_follow_entry ON ledger_journalentry;
DROP TRIGGER ledger_guard_entry ON ledger_journalentry;
DROP FUNCTION ledger_follow_entry, ledger_guard_entry, ledger_post, ledger_check_recode, ledger_check_reversal;
"""


class Migration(migrations.Migration):
    """Draft to posted is the only step; after it the facts are fixed, numbered and chained."""

    dependencies = [("ledger", "0003_guards_of_periods")]

    operations = [
        migrations.RunSQL(FACTS, "DROP FUNCTION ledger_entry_facts"),
        migrations.RunSQL(ENTRY, DROP_ENTRY),
        migrations.RunSQL(LINE, DROP_LINE),
    ]
