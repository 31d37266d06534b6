from django.db import migrations

GUARDS = """
CREATE FUNCTION ledger_guard_year() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    first_day date;
    last_day date;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF (NEW.start, NEW."end") <> (OLD.start, OLD."end") THEN
            PERFORM ledger_refuse('ledger_fiscalyear_dates_fixed', 'the dates of a fiscal year are fixed');
        END IF;
        RETURN NEW;
    END IF;
    IF TG_OP = 'DELETE' THEN
        PERFORM ledger_lock_client(OLD.client_id);
        SELECT min(start), max("end") INTO first_day, last_day FROM ledger_fiscalyear WHERE client_id = OLD.client_id;
        IF OLD.start <> first_day AND OLD."end" <> last_day THEN
            PERFORM ledger_refuse('ledger_fiscalyear_no_gap', 'only the first or the last fiscal year can be removed');
        END IF;
        RETURN OLD;
    END IF;
    PERFORM ledger_lock_client(NEW.client_id);
    IF NEW."end" >= NEW.start + interval '18 months' THEN
        PERFORM ledger_refuse('ledger_fiscalyear_length', 'a fiscal year has up to 18 months');
    END IF;
    SELECT min(start), max("end") INTO first_day, last_day FROM ledger_fiscalyear WHERE client_id = NEW.client_id;
    IF first_day IS NOT NULL AND NEW.start <> last_day + 1 AND NEW."end" <> first_day - 1 THEN
        PERFORM ledger_refuse('ledger_fiscalyear_no_gap', 'fiscal years follow each other without gap or overlap');
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER ledger_guard_year BEFORE INSERT OR UPDATE OR DELETE ON ledger_fiscalyear
    FOR EACH ROW EXECUTE FUNCTION ledger_guard_year();

CREATE FUNCTION ledger_rank(state text) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE state WHEN 'open' THEN 0 WHEN 'soft_closed' THEN 1 ELSE 2 END
$$;

-- Along time the states never rise: what is closed lies before what is open, and the adjusting period
-- is never more closed than the months of its year.
CREATE FUNCTION ledger_guard_period() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    year ledger_fiscalyear;
    now_rank integer;
BEGIN
    IF TG_OP = 'DELETE' THEN
        PERFORM ledger_lock_client(OLD.client_id);
        IF OLD.state <> 'open' THEN
            PERFORM ledger_refuse('ledger_period_closed_stays', 'a closed period cannot be removed');
        END IF;
        IF EXISTS (SELECT FROM ledger_journalentry WHERE client_id = OLD.client_id AND period_id = OLD.id) THEN
            PERFORM ledger_refuse('ledger_period_used', 'a period with entries cannot be removed');
        END IF;
        RETURN OLD;
    END IF;
    PERFORM ledger_lock_client(NEW.client_id);
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'open' THEN
            PERFORM ledger_refuse('ledger_period_begins_open', 'a period begins open');
        END IF;
        SELECT * INTO year FROM ledger_fiscalyear WHERE id = NEW.fiscal_year_id AND client_id = NEW.client_id;
        IF NEW.start < year.start OR NEW."end" > year."end"
           OR (NEW.is_adjusting AND (NEW.start <> year."end" OR NEW."end" <> year."end")) THEN
            PERFORM ledger_refuse('ledger_period_in_year', 'a period lies in its fiscal year');
        END IF;
    ELSIF (NEW.start, NEW."end", NEW.fiscal_year_id, NEW.is_adjusting)
          <> (OLD.start, OLD."end", OLD.fiscal_year_id, OLD.is_adjusting) THEN
        PERFORM ledger_refuse('ledger_period_dates_fixed', 'the dates of a period are fixed');
    ELSIF NEW.state = OLD.state THEN
        RETURN NEW;
    END IF;
    now_rank := ledger_rank(NEW.state);
    IF TG_OP = 'UPDATE' AND now_rank < ledger_rank(OLD.state) AND ledger_reason() = '' THEN
        PERFORM ledger_refuse('ledger_period_reopen_reason', 'reopening a period needs a reason');
    END IF;
    IF NEW.is_adjusting THEN
        IF EXISTS (SELECT FROM ledger_period WHERE fiscal_year_id = NEW.fiscal_year_id AND NOT is_adjusting
                    AND ledger_rank(state) < now_rank) THEN
            PERFORM ledger_refuse('ledger_period_order', 'the months of the year close first');
        END IF;
    ELSIF EXISTS (
        SELECT FROM ledger_period p
         WHERE p.client_id = NEW.client_id AND p.id <> NEW.id
           AND CASE WHEN p.is_adjusting THEN p.fiscal_year_id = NEW.fiscal_year_id AND ledger_rank(p.state) > now_rank
                    WHEN p.start < NEW.start THEN ledger_rank(p.state) < now_rank
                    ELSE ledger_rank(p.state) > now_rank END
    ) THEN
        PERFORM ledger_refuse('ledger_period_order', 'periods close in order and reopen latest first');
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER ledger_guard_period BEFORE INSERT OR UPDATE OR DELETE ON ledger_period
    FOR EACH ROW EXECUTE FUNCTION ledger_guard_period();

-- A year and its periods are made together, so whether they fit is asked at the end of the transaction.
CREATE FUNCTION ledger_guard_coverage() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    year ledger_fiscalyear;
    one bigint;
BEGIN
    IF TG_TABLE_NAME = 'ledger_fiscalyear' THEN
        one := NEW.id;
    ELSIF TG_OP = 'DELETE' THEN
        one := OLD.fiscal_year_id;
    ELSE
        one := NEW.fiscal_year_id;
    END IF;
    SELECT * INTO year FROM ledger_fiscalyear WHERE id = one;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF (SELECT count(*) FROM ledger_period WHERE fiscal_year_id = one AND is_adjusting) <> 1
       OR EXISTS (
            SELECT FROM (
                SELECT start, "end", lag("end", 1, year.start - 1) OVER (ORDER BY start) AS before,
                       lead(start, 1, year."end" + 1) OVER (ORDER BY start) AS next
                  FROM ledger_period WHERE fiscal_year_id = one AND NOT is_adjusting
            ) p WHERE p.start <> p.before + 1 OR p.next <> p."end" + 1)
       OR NOT EXISTS (SELECT FROM ledger_period WHERE fiscal_year_id = one AND NOT is_adjusting) THEN
        PERFORM ledger_refuse('ledger_period_covers_year', 'the periods of a fiscal year cover each of its days once');
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER ledger_year_covered AFTER INSERT ON ledger_fiscalyear
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_guard_coverage();
CREATE CONSTRAINT TRIGGER ledger_period_covers AFTER INSERT OR DELETE ON ledger_period
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_guard_coverage();
"""

DROP = """
DROP TRIGGER ledger_period_covers ON ledger_period;
DROP TRIGGER ledger_year_covered ON ledger_fiscalyear;
DROP TRIGGER ledger_guard_period ON ledger_period;
DROP TRIGGER ledger_guard_year ON ledger_fiscalyear;
DROP FUNCTION ledger_guard_coverage, ledger_guard_period, ledger_guard_year, ledger_rank;
"""


class Migration(migrations.Migration):
    """Fiscal years without gaps, periods that cover them, closed in order and reopened latest first."""

    dependencies = [("ledger", "0002_guards_of_the_chart")]

    operations = [migrations.RunSQL(GUARDS, DROP)]
