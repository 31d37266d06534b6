#!/usr/bin/env bash
# Both container stacks, brought up for real and used as a person would: tests/containers.sh [dev|prod]
#
# LEDGERFLOW_COMPOSE_CHECK names the script that builds the image, starts a stack and runs a command beside it
# with $DC as the stack's "docker compose"; here that command is this file again, with --inside.
set -euo pipefail

URL=http://127.0.0.1:9000
USER_NAME=checker
PASSWORD=$(python3 -c 'import secrets; print(secrets.token_urlsafe(18))')

fail() { echo "FAILED: $*" >&2; exit 1; }
checked() { # SENTENCE COMMAND…
    local started=$SECONDS sentence=$1
    shift
    "$@" || fail "$sentence"
    echo "ok: $sentence ($((SECONDS - started)) s)"
}
eventually() { # SECONDS COMMAND…
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 1
    done
}

# --- what both stacks must do ---

fetch() { curl --noproxy '*' --silent --show-error --max-time 30 "$@"; }
answers() { fetch --fail --output /dev/null "$@" 2>/dev/null; }
manage() { "$DC" exec -T django python manage.py "$@"; }
as_superuser() { "$DC" exec -T db psql --username=postgres --dbname=ledgerflow --no-align --tuples-only -c "$1"; }
make_user() {
    "$DC" exec -T -e DJANGO_SUPERUSER_USERNAME="$USER_NAME" -e DJANGO_SUPERUSER_PASSWORD="$PASSWORD" \
        -e DJANGO_SUPERUSER_EMAIL="$USER_NAME@example.com" django python manage.py createsuperuser --noinput
}
sign_in() { python3 tests/sign_in.py "$@" -- "$URL" "$USER_NAME" "$PASSWORD"; } # a password may begin with a dash
refuses_a_wrong_password() { ! PASSWORD=wrong sign_in "$@" 2>/dev/null; }
role_is_modest() {
    [ "$(as_superuser "SELECT rolsuper, rolcreatedb FROM pg_roles WHERE rolname = 'ledgerflow'")" = "f|t" ]
}
superuser_stays_inside() {
    [ "$(as_superuser "SELECT rolpassword IS NULL FROM pg_authid WHERE rolname = 'postgres'")" = t ]
}
cluster_is_as_designed() {
    [ "$(as_superuser "SELECT current_setting('data_checksums'), current_setting('timezone'), datcollate
                       FROM pg_database WHERE datname = 'ledgerflow'")" = "on|UTC|C.UTF-8" ]
}
a_job_has_run() {
    [ "$(as_superuser "SELECT EXISTS (SELECT FROM procrastinate_jobs WHERE status = 'succeeded')")" = t ]
}
backups_on_host() { find backups -name '*.psql.bin' -size +0 -printf '%f\n' | sort; }
lists_all_backups() { # SERVICE
    local listed
    listed=$("$DC" exec -T "$1" python manage.py listbackups 2>/dev/null | grep -o '[^ ]*\.psql\.bin' | sort)
    [ "$listed" = "$(backups_on_host)" ]
}
back_up_in() { # SERVICE
    local before
    before=$(backups_on_host | wc -l)
    "$DC" exec -T "$1" python manage.py dbbackup 2>/dev/null && lists_all_backups "$1" &&
        [ "$(backups_on_host | wc -l)" -eq $((before + 1)) ]
}

tests_the_newest() { "$DC" exec -T worker python manage.py backup_test; }
restores_the_newest() { "$DC" exec -T django python manage.py restore_backup --noinput; }
backups_are_well() { "$DC" exec -T worker python manage.py backup_check; }
contains_all() { [ -z "$(comm -23 <(echo "$1") <(backups_on_host))" ]; }
make_later_user() { # one who is not in the backup
    "$DC" exec -T -e DJANGO_SUPERUSER_USERNAME=later -e DJANGO_SUPERUSER_PASSWORD="$PASSWORD" \
        -e DJANGO_SUPERUSER_EMAIL=later@example.com django python manage.py createsuperuser --noinput
}
is_gone() { [ "$(as_superuser "SELECT count(*) FROM core_user WHERE username = '$1'")" = 0 ]; }
runbook() { # HEADING: the commands under it in docs/operations.md, as somebody types them
    sed -n "/^### $1/,/^##/p" docs/operations.md | sed -n '/^```sh/,/^```/p' | grep '^docker compose'
}
follows_the_runbook() { # HEADING
    local line
    runbook "$1" >/dev/null || return 1
    while read -r line; do
        line=${line#docker compose -f docker-compose.prod.yml }
        line=${line/#exec /exec -T }
        line=${line/#run --rm /run --rm -T }
        case "$line" in *restore_backup | *"restore_to latest") line+=" --noinput" ;; esac
        # shellcheck disable=SC2086  # words of a command line
        "$DC" $line </dev/null || return 1
    done < <(runbook "$1")
}
comes_back_by_the_runbook() { follows_the_runbook "Somebody ran"; }

common() {
    checked "the web process is alive" answers "$URL/healthz"
    checked "everything is ready, and the worker was seen" eventually 60 answers "$URL/readyz"
    checked "the database role is no superuser and may create databases" role_is_modest
    checked "the superuser has no password to come in by" superuser_stays_inside
    checked "the cluster has checksums, UTC and C.UTF-8" cluster_is_as_designed
    checked "a user is made" make_user
    checked "that user signs in through the published port" sign_in "$@"
    checked "a wrong password does not" refuses_a_wrong_password "$@"
    checked "a backup is made and listed in django" back_up_in django
    checked "a backup is made and listed in worker" back_up_in worker
    checked "a job has run" eventually 90 a_job_has_run
    checked "the newest backup is tested" tests_the_newest
    checked "the backups are well" backups_are_well
    checked "somebody is added after it" make_later_user
    checked "it is restored while everything runs" restores_the_newest
    checked "who came later is gone" is_gone later
    checked "everything is ready again, the worker too" eventually 90 answers "$URL/readyz"
    checked "the user signs in again" eventually 30 sign_in "$@"
}

# --- dev: what is edited is what runs ---

edit_source() {
    cat >>ledgerflow/urls.py <<'PYTHON'
from django.http import HttpResponse
urlpatterns = [path("edited", lambda request: HttpResponse("edited")), *urlpatterns]
PYTHON
}
worker_reloaded() { "$DC" logs worker 2>&1 | grep -q 'urls.py changed, reloading'; }

inside_dev() {
    common
    checked "the stack goes down with its volumes" goes_down
    checked "it comes back from its backup by the runbook" comes_back_by_the_runbook
    checked "the user signs in again" eventually 60 sign_in
    edit_source
    checked "the web process serves an edit at once" eventually 30 answers "$URL/edited"
    checked "the worker starts again after an edit" eventually 30 worker_reloaded
}

# --- prod: closed, and down -v loses nothing ---

fetch_as_proxy() { fetch --header 'X-Forwarded-Proto: https' "$@"; }
leads_to_https() {
    [ "$(fetch --output /dev/null --write-out '%{http_code} %{redirect_url}' "$URL/admin/")" = \
        "301 https://127.0.0.1:9000/admin/" ]
}
promises_https() {
    fetch_as_proxy --head "$URL/admin/login/" | grep -qi '^strict-transport-security: max-age=31536000'
}
serves_static_files() {
    local css
    css=$(fetch_as_proxy "$URL/admin/login/" | grep -o '/static/[^"]*\.css' | sort | tail -1)
    [ -n "$css" ] && fetch_as_proxy --fail --output /dev/null "$URL$css"
}
refuses_other_hosts() {
    [ "$(fetch_as_proxy --output /dev/null --write-out '%{http_code}' --header 'Host: elsewhere.example' \
        "$URL/admin/login/")" = 400 ]
}
is_not_root() { # SERVICE
    # shellcheck disable=SC2016  # the dollars are awk's
    [ "$("$DC" exec -T "$1" awk '/^Uid:/ {print $2, $3}' /proc/1/status)" = "10001 10001" ]
}
cannot_change_itself() { # SERVICE
    ! "$DC" exec -T --user root "$1" touch /app/changed 2>/dev/null
}
holds_only_what_it_runs() { # SERVICE
    [ -z "$("$DC" exec -T "$1" find /app -name '.env*' -o -name '.git' -o -name 'tests')" ]
}
newest_worker() { as_superuser "SELECT coalesce(max(id), 0) FROM procrastinate_workers"; }
worker_is_newer_than() { [ "$(newest_worker)" -gt "$1" ]; }
kill_everything() { # with signal 9; process 1, which it cannot reach, ends or recovers as at any crash
    local service
    for service in db worker django archive; do "$DC" exec -T "$service" sh -c 'kill -9 -1' || true; done
}
goes_down() { "$DC" down -v 2>/dev/null; }
start_and_wait() { "$DC" up -d 2>/dev/null && eventually 120 answers "$URL/readyz"; }
refuses_missing_secrets() {
    mv .env .env.whole
    grep -vE '^(SECRET_KEY|POSTGRES_PASSWORD|ARCHIVE_PASSWORD)=' .env.whole >.env
    ! "$DC" up -d 2>/dev/null && "$DC" logs prepare | grep -q 'Put SECRET_KEY or SECRET_KEY_FILE into .env'
}
take_secrets_from_files() { # the archive's is another than before
    local folder=$PWD/secrets password
    mkdir "$folder"
    password=$(sed -n 's/^POSTGRES_PASSWORD=//p' .env.whole)
    sed -n 's/^SECRET_KEY=//p' .env.whole >"$folder/secret_key"
    echo "$password" >"$folder/postgres_password"
    echo "postgres://ledgerflow:$password@db:5432/ledgerflow" >"$folder/database_url"
    random >"$folder/archive_password"
    chown 10001 "$folder"/* && chmod 400 "$folder"/*
    for name in SECRET_KEY POSTGRES_PASSWORD DATABASE_URL ARCHIVE_PASSWORD; do echo "${name}_FILE=$folder/${name,,}"; done >>.env
}

# --- prod: back to any minute ---

random() { python3 -c 'import secrets; print(secrets.token_hex(32))'; }
archive() { "$DC" exec -T worker python manage.py archive "$@"; }
archive_role_is_modest() {
    [ "$(as_superuser "SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication
                       FROM pg_roles WHERE rolname = 'ledgerflow_archive'")" = "f|f|f|t" ]
}
refuses_others_the_log() {
    local told
    ! told=$("$DC" exec -T archive psql -d 'host=db user=ledgerflow replication=true' -c IDENTIFY_SYSTEM 2>&1) &&
        grep -q 'no pg_hba.conf entry for replication connection' <<<"$told"
}
keeps_the_disk_of_the_database() { [ "$(as_superuser 'SHOW max_slot_wal_keep_size')" = 4GB ]; }
python_in_django() { manage shell --verbosity=0 -c "from apps.profiles.models import Client, LegalForm; $1"; }
write_client() { python_in_django "Client.objects.create(code='$1', name='$1 Ltd', legal_form=LegalForm.COMPANY)"; }
delete_client() { python_in_django "Client.objects.get(code='$1').delete()"; }
state() { # every client and every person, in full
    as_superuser "SELECT (SELECT string_agg(client::text, ' ' ORDER BY id) FROM profiles_client client),
                         (SELECT string_agg(person::text, ' ' ORDER BY id) FROM core_user person)"
}
is_as_it_was() { [ "$(state)" = "$1" ]; }
is_other_than() { [ "$(state)" != "$1" ]; }
somebody_is_told() { # SENTENCE
    local told
    ! told=$("$DC" exec -T worker python manage.py backup_check 2>&1) && grep -qF "$1" <<<"$told"
}
loses_its_database() {
    # shellcheck disable=SC2016
    "$DC" down 2>/dev/null && "$DC" run --rm --no-deps -T --entrypoint sh db -c 'rm -rf "$PGDATA"/*' 2>/dev/null
}

inside_prod() {
    checked "the archive's role may read the log and nothing else" archive_role_is_modest
    checked "others may not read the log" refuses_others_the_log
    checked "a log that nobody fetches does not fill the disk" keeps_the_disk_of_the_database
    checked "a base backup is made" eventually 30 archive base
    checked "what is written arrives in the archive" archive beat
    common --https
    checked "plain http leads to https" leads_to_https
    checked "browsers are told to stay with https" promises_https
    checked "static files are served" serves_static_files
    checked "other host names are refused" refuses_other_hosts
    checked "nothing runs as root in django" is_not_root django
    checked "nothing runs as root in worker" is_not_root worker
    checked "nothing runs as root in archive" is_not_root archive
    checked "django cannot change its own code" cannot_change_itself django
    checked "check --deploy has nothing to say" manage check --deploy --fail-level WARNING
    checked "the image holds no environment, no history and no tests" holds_only_what_it_runs django

    local before moment noted
    write_client RIGHT
    noted=$(state) moment=$(date -u +%Y-%m-%dT%H:%M:%S.%6N+00:00)
    checked "a client is deleted" delete_client RIGHT
    checked "another is written" write_client WRONG
    checked "that arrives in the archive, too" archive beat
    checked "the books are others now" is_other_than "$noted"
    checked "the database goes back to the moment before" manage restore_to "$moment" --noinput
    checked "everything is as it was at that moment" is_as_it_was "$noted"
    checked "some other moment comes back as well" archive drill

    checked "the archive is stopped" "$DC" stop archive
    checked "somebody is told that nothing is archived" eventually 120 somebody_is_told \
        "The archive's service does not run: nothing is archived."
    checked "it starts again" "$DC" start archive
    checked "it receives again" eventually 60 archive beat

    before=$(newest_worker)
    kill_everything
    checked "a killed worker starts again" eventually 60 worker_is_newer_than "$before"
    checked "a killed web server starts again" eventually 60 sign_in --https
    checked "a killed archive receives again" eventually 60 archive beat

    before=$(backups_on_host) noted=$(state)
    checked "the stack goes down with its volumes" goes_down
    checked "it does not start without secrets, and says so" refuses_missing_secrets
    checked "it starts again, with its secrets in files" eval 'take_secrets_from_files && start_and_wait'
    checked "everything is as it was" is_as_it_was "$noted"
    checked "the same user signs in again" sign_in --https
    checked "the archive may not sign in with it, and somebody is told" eventually 30 somebody_is_told \
        'The archive receives nothing: password authentication failed for user "ledgerflow_archive".'
    checked "the archive is switched on by the runbook" follows_the_runbook "Switching the archive on"
    checked "it receives" eventually 60 archive beat
    checked "everything comes back from a backup by the runbook" comes_back_by_the_runbook
    checked "the same user signs in once more" eventually 60 sign_in --https
    checked "no backup is lost" contains_all "$before"
    checked "every backup is still listed" lists_all_backups django

    noted=$(state)
    checked "what is written arrives in the archive" archive beat
    checked "the database's disk is lost" loses_its_database
    checked "the database comes back from the archive alone, by the runbook" \
        follows_the_runbook "The disk of the database is dead, and the archive is not"
    checked "everything is as it was" is_as_it_was "$noted"
    checked "the archive receives the new database's log" eventually 60 archive beat
}

# --- outside ---

check_stack() { # dev|prod
    local started=$SECONDS check=${LEDGERFLOW_COMPOSE_CHECK:-../shared/tools/verify-compose.sh} environment=() file
    [ -f "$check" ] || fail "no $check: set LEDGERFLOW_COMPOSE_CHECK to a script that brings a compose file up"
    if [ "$1" = prod ]; then
        file=$(mktemp)
        trap 'rm -f "$file"' RETURN
        sed -e "s/^SECRET_KEY=$/&$(random)/" -e "s/^POSTGRES_PASSWORD=$/&$(random)/" \
            -e "s/^ARCHIVE_PASSWORD=$/&$(random)/" -e "s/^ALLOWED_HOSTS=$/&127.0.0.1/" .env.prod.example >"$file"
        environment=(-e "$file" --no-restart-test) # the check itself takes it down and up again
    fi
    bash "$check" . --lint -t 300 -f "docker-compose.$1.yml" "${environment[@]}" -u "$URL/healthz" \
        -H "bash tests/containers.sh --inside $1" || fail "the $1 stack"
    echo "ok: the $1 stack ($((SECONDS - started)) s)"
}

cd "$(dirname "$0")/.."
case "${1:-both}" in
    --inside) "inside_$2" ;;
    dev | prod) check_stack "$1" ;;
    both) check_stack dev && check_stack prod ;;
    *) fail "usage: tests/containers.sh [dev|prod]" ;;
esac
