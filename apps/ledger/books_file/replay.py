"""
The statements that turn staged rows into books: set by set, and the posting of each entry in its order.

Numbers, places in the chain and hashes are handed to the guard that posts, which refuses any it would not
have set itself: what is not the same as in the database the books come from cannot be posted.
"""

# Somebody of the same username here, else whoever imports; nobody stays nobody.
PERSON = """
    CREATE OR REPLACE FUNCTION pg_temp.books_person(name text, importer bigint) RETURNS bigint
    LANGUAGE sql STABLE AS $$
        SELECT CASE WHEN name IS NOT NULL THEN
            coalesce((SELECT id FROM core_user WHERE lower(username) = lower(name)), importer) END
    $$
"""

CLIENT = """
    INSERT INTO profiles_client (code, name, status, legal_form, country, base_currency, basis, tax_form,
                                 numbering, contact_name, email, phone, address, notes)
    SELECT %(code)s, name, status, legal_form, country, base_currency, basis, tax_form,
           numbering, contact_name, email, phone, address, notes FROM books_client RETURNING id
"""

RECORDS = [
    # Accounts are inactive, and years closed, only after what was posted before.
    """
    INSERT INTO ledger_account (client_id, uuid, code, name, kind, section, role, currency, is_postable,
                                is_active, share)
    SELECT %(client)s, uuid, code, name, kind, section, role, currency, is_postable, true, share
      FROM books_accounts ORDER BY row
    """,
    """
    UPDATE ledger_account a SET parent_id = p.id, closes_into_id = i.id
      FROM books_accounts b
      LEFT JOIN ledger_account p ON p.client_id = %(client)s AND p.code = b.parent
      LEFT JOIN ledger_account i ON i.client_id = %(client)s AND i.code = b.closes_into
     WHERE a.client_id = %(client)s AND a.code = b.code
       AND (b.parent IS NOT NULL OR b.closes_into IS NOT NULL)
    """,
    """
    INSERT INTO ledger_contact (client_id, name, is_customer, is_vendor, tax_id, email, phone, address, notes,
                                is_active)
    SELECT %(client)s, name, is_customer, is_vendor, tax_id, email, phone, address, notes, is_active
      FROM books_contacts ORDER BY row
    """,
    """
    INSERT INTO ledger_costcentre (client_id, name, is_active)
    SELECT %(client)s, name, is_active FROM books_classes ORDER BY row
    """,
    """
    INSERT INTO ledger_taxcode (client_id, uuid, code, name, direction, account_id, non_deductible,
                                is_reverse_charge, box, is_active)
    SELECT %(client)s, b.uuid, b.code, b.name, b.direction, a.id, b.non_deductible, b.is_reverse_charge,
           b.box, b.is_active
      FROM books_tax_codes b LEFT JOIN ledger_account a ON a.client_id = %(client)s AND a.code = b.account
     ORDER BY b.row
    """,
    """
    INSERT INTO ledger_taxrate (client_id, tax_code_id, valid_from, rate)
    SELECT %(client)s, t.id, b.valid_from, b.rate
      FROM books_tax_rates b JOIN ledger_taxcode t ON t.client_id = %(client)s AND t.code = b.tax_code
     ORDER BY b.row
    """,
    """
    INSERT INTO ledger_exchangerate (client_id, currency, date, rate, source)
    SELECT %(client)s, currency, date, rate, source FROM books_exchange_rates ORDER BY row
    """,
    """
    INSERT INTO ledger_fiscalyear (client_id, name, start, "end")
    SELECT %(client)s, name, start, "end" FROM books_fiscal_years ORDER BY start
    """,
    """
    INSERT INTO ledger_period (client_id, fiscal_year_id, start, "end", is_adjusting, state)
    SELECT %(client)s, y.id, b.start, b."end", b.is_adjusting, 'open'
      FROM books_periods b JOIN ledger_fiscalyear y ON y.client_id = %(client)s AND y.name = b.fiscal_year
     ORDER BY b.start, b.is_adjusting
    """,
    "SET CONSTRAINTS ledger_year_covered, ledger_period_covers IMMEDIATE",
    "SET CONSTRAINTS ledger_year_covered, ledger_period_covers DEFERRED",
    # The staged entries learn their ids: the books have no statistics yet of what is new in them.
    """
    WITH made AS (
        INSERT INTO ledger_journalentry (client_id, uuid, date, kind, status, description, document_number,
                                         document_date, review, review_note, created_by_id, created_at,
                                         idempotency_key)
        SELECT %(client)s, b.uuid, b.date, b.kind, 'draft', b.description, b.document_number, b.document_date,
               b.review, b.review_note, pg_temp.books_person(b.created_by, %(by)s), b.created_at,
               b.idempotency_key
          FROM books_entries b ORDER BY b.row RETURNING id, uuid
    )
    UPDATE books_entries b SET id = made.id FROM made WHERE made.uuid = b.uuid
    """,
    "ANALYZE books_entries",
    """
    UPDATE ledger_journalentry e SET reverses_id = o.id
      FROM books_entries b JOIN books_entries o ON o.uuid = b.reverses WHERE e.id = b.id
    """,
    """
    INSERT INTO ledger_journalline (client_id, entry_id, line_number, account_id, amount, memo, contact_id,
                                    cost_centre_id, due_date, tax_code_id, tax_base, currency, foreign_amount,
                                    rate, kind, is_posted)
    SELECT %(client)s, e.id, b.line_number, a.id, b.amount, b.memo, n.id, k.id, b.due_date, t.id,
           b.tax_base, b.currency, b.foreign_amount, b.rate, e.kind, false
      FROM books_lines b
      JOIN books_entries e ON e.uuid = b.entry
      JOIN ledger_account a ON a.client_id = %(client)s AND a.code = b.account
      LEFT JOIN ledger_contact n ON n.client_id = %(client)s AND n.name = b.contact
      LEFT JOIN ledger_costcentre k ON k.client_id = %(client)s AND k.name = b."class"
      LEFT JOIN ledger_taxcode t ON t.client_id = %(client)s AND t.code = b.tax_code
     ORDER BY b.row
    """,
    """
    UPDATE ledger_journalline l SET recodes_id = o.id
      FROM books_lines b
      JOIN books_entries e ON e.uuid = b.entry
      JOIN books_entries oe ON oe.uuid = b.recodes
      JOIN ledger_journalline o ON o.entry_id = oe.id AND o.line_number = b.recodes_line
     WHERE l.entry_id = e.id AND l.line_number = b.line_number
    """,
]

# A recoding asks whether the lines it takes back are posted, which they are once the statement that posts
# their entry has ended: so each entry is a statement, here where it costs no way to the server and back.
POSTING = """
    CREATE OR REPLACE FUNCTION pg_temp.books_post(one bigint, first bigint, last bigint, importer bigint)
    RETURNS void LANGUAGE plpgsql AS $$
    DECLARE
        r record;
        rule text;
        said text;
    BEGIN
        FOR r IN
            SELECT b.id, b.number, b.position, b.fiscal_year, y.id AS year_id, p.id AS period_id,
                   decode(b.hash, 'hex') AS hash,
                   pg_temp.books_person(b.posted_by, importer) AS poster
              FROM books_entries b
              LEFT JOIN ledger_fiscalyear y ON y.client_id = one AND y.name = b.fiscal_year
              LEFT JOIN ledger_period p
                ON p.fiscal_year_id = y.id AND p.start = b.period AND p.is_adjusting = b.is_adjusting
             WHERE b.position BETWEEN first AND last ORDER BY b.position
        LOOP
            UPDATE ledger_journalentry
               SET status = 'posted', number = r.number, position = r.position, hash = r.hash,
                   fiscal_year_id = r.year_id, period_id = r.period_id, posted_by_id = r.poster
             WHERE id = r.id;
        END LOOP;
    EXCEPTION WHEN check_violation THEN
        GET STACKED DIAGNOSTICS rule = CONSTRAINT_NAME, said = MESSAGE_TEXT;
        RAISE EXCEPTION USING ERRCODE = '23514', CONSTRAINT = rule, MESSAGE = said,
            DETAIL = r.number || ' / ' || r.fiscal_year;
    END $$
"""
POST = "SELECT pg_temp.books_post(%(client)s, %(first)s, %(last)s, %(by)s)"

AFTERWARDS = [
    """
    UPDATE ledger_account a SET is_active = false
      FROM books_accounts b WHERE a.client_id = %(client)s AND a.code = b.code AND NOT b.is_active
    """,
    # An entry is stamped with the moment it is posted here. A close is put between the same two entries it
    # was put between there, so that it tells the same changes since; its true time is in the history.
    """
    INSERT INTO ledger_closedperiod (client_id, period_id, state, closed_by_id, closed_at, reason, overridden,
                                     trial_balance, hash)
    SELECT %(client)s, p.id, b.state, pg_temp.books_person(b.closed_by, %(by)s), coalesce(e.posted_at, now()),
           b.reason, b.overridden, b.trial_balance, b.hash
      FROM books_closed_periods b
      JOIN ledger_period p
        ON p.client_id = %(client)s AND p.start = b.period AND p.is_adjusting = b.is_adjusting
      LEFT JOIN ledger_journalentry e ON e.client_id = %(client)s AND e.position = b.after_position
     ORDER BY b.row
    """,
    """
    INSERT INTO ledger_attachment (client_id, entry_id, name, content_type, size, sha256, added_by_id,
                                   added_at)
    SELECT %(client)s, e.id, b.name, b.content_type, b.size, b.sha256,
           pg_temp.books_person(b.added_by, %(by)s), b.added_at
      FROM books_attachments b JOIN books_entries e ON e.uuid = b.entry
     ORDER BY b.row
    """,
]
# Periods close in order, so one by one.
PERIODS = """
    SELECT p.id, b.state FROM books_periods b
      JOIN ledger_period p
        ON p.client_id = %(client)s AND p.start = b.start AND p.is_adjusting = b.is_adjusting
     WHERE b.state <> 'open' ORDER BY p."end", p.is_adjusting
"""
CLOSE = "UPDATE ledger_period SET state = %s WHERE id = %s"

TIME = """
    CREATE OR REPLACE FUNCTION pg_temp.books_time(at timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
        SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC'
    $$
"""
# The checks that follow would take what is new for a handful of rows, and books of years for minutes.
STATISTICS = """
    ANALYZE ledger_journalentry, ledger_journalline, ledger_accounttotal, ledger_historicaljournalentry
"""

#: What the history says of an entry and of a period besides that it was imported: the times it had before.
ENTRY_WAS = """
    (SELECT concat('; drafted ' || pg_temp.books_time(b.created_at) || ' by ' || b.created_by,
                   '; posted ' || pg_temp.books_time(b.posted_at) || coalesce(' by ' || b.posted_by, ''))
       FROM books_entries b WHERE b.id = t.id)
"""
PERIOD_WAS = """
    (SELECT coalesce(string_agg(CASE b.state WHEN 'locked' THEN '; locked ' ELSE '; soft-closed ' END
                                || pg_temp.books_time(b.closed_at) || ' by ' || b.closed_by,
                                '' ORDER BY b.row), '')
       FROM books_closed_periods b WHERE b.period = t.start AND b.is_adjusting = t.is_adjusting)
"""
