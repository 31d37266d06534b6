#!/usr/bin/env bash
# Keeps a cluster's write-ahead log, makes base backups of it, and brings up beside it what it was at a time.
#
# It needs nothing but PostgreSQL's own programs of the server's major version and bash, so that it runs in the
# image of the database. What to do when is decided elsewhere: requests and answers are small files.
#
#   archiver.sh serve          until it is ended; of two on one folder the second refuses
#   archiver.sh fetch NAME TO  the restore_command of what is brought up
#
# Environment:
#   ARCHIVE        the folder of the archive; its layout is told in layout.py
#   ARCHIVE_SOURCE how to reach the cluster (libpq's "host=… user=…"), by a role that may replicate
#   ARCHIVE_PASSWORD, or ARCHIVE_PASSWORD_FILE  the password of that role
#   ARCHIVE_SLOT   the replication slot                         (ledgerflow_archive)
#   ARCHIVE_COMPRESS  how segments are written, or "none"       (gzip:1)
#   SIDE_SOCKETS   a private folder for the socket of what is brought up; 90 bytes at most
#   SIDE_ADDRESS   where the application reaches that           (SIDE_SOCKETS)
#   SIDE_LISTEN    addresses it listens on besides the socket   (none)
#
# An answer begins with "done" or "failed"; then come words that client.py makes sentences of.
set -uo pipefail
umask 077
export LC_ALL=C TZ=UTC PGCONNECT_TIMEOUT=5
[ -n "${ARCHIVE_PASSWORD_FILE:-}" ] && ARCHIVE_PASSWORD=$(cat "$ARCHIVE_PASSWORD_FILE")
[ -n "${ARCHIVE_PASSWORD:-}" ] && export PGPASSWORD=$ARCHIVE_PASSWORD
slot=${ARCHIVE_SLOT:-ledgerflow_archive}
compress=${ARCHIVE_COMPRESS:-gzip:1}
port=5432
self=$(readlink -f "$0")
with_us=() own_session=()  # what ends with the process that started it, even by kill -9, and what does not
command -v setpriv >/dev/null && with_us=(setpriv --pdeathsig=KILL --)
command -v setsid >/dev/null && own_session=(setsid)

stamp() { date -u +%Y%m%dT%H%M%SZ; }

# put FILE: what comes in is in the file whole or not at all
put() { cat >"$1.new" && mv "$1.new" "$1"; }

# What programs complain of is kept in variables: on a full disk there is no room for it.
# reason TEXT: the last complaint in it, on one line; not of those who asked too early, and "disconnected" tells no reason
reason() {
  local all telling
  all=$(grep -E 'error:|ERROR:|FATAL:|PANIC:' <<<"$1" | grep -v 'the database system is')
  telling=$(grep -v 'error: disconnected$' <<<"$all")
  tail -n 1 <<<"${telling:-$all}" | sed -E 's/^.*(error|ERROR|FATAL|PANIC): +//' | cut -c 1-300
}

# --- receiving ---

ask_server() { psql -XAtq -d "$ARCHIVE_SOURCE replication=true" -c "$1"; }

# Tells the folder of this cluster that is not over, or a new one.
open_era() {
  local system major segment file era
  system=$(ask_server IDENTIFY_SYSTEM | cut -d '|' -f 1) && [ -n "$system" ] || return 1
  for file in "$ARCHIVE"/*/era; do
    grep -q "^system=$system\$" "$file" 2>/dev/null && ! grep -q ^ended= "$file" && basename "$(dirname "$file")" && return
  done
  segment=$(ask_server 'SHOW wal_segment_size') major=$(ask_server 'SHOW server_version_num') || return 1
  for file in "$ARCHIVE"/*/era; do
    [ ! -e "$file" ] || end_era "$(dirname "$file")" "another cluster" || return 1
  done
  era=$(stamp)
  while [ -e "$ARCHIVE/$era" ]; do sleep 1; era=$(stamp); done
  mkdir -p "$ARCHIVE/$era/wal" "$ARCHIVE/$era/base"
  [ "$segment" = 1GB ] && segment=1024MB
  printf 'system=%s\nmajor=%s\nsegment=%s\n' "$system" "$((major / 10000))" "${segment%MB}" | put "$ARCHIVE/$era/era" || return 1
  sync -f "$ARCHIVE"
  printf '%s\n' "$era"
}

end_era() {
  grep -q ^ended= "$1/era" || { cat "$1/era"; printf 'ended=%s\nwhy=%s\n' "$(stamp)" "$2"; } | put "$1/era"
}

# The segment that was being written is received again from its beginning, over what is there: that stays until it
# is whole, and its end cannot be taken for a part of the new one.
set_aside() {
  local partial
  for partial in "$1"/*.gz.partial; do
    [ -e "$partial" ] || continue
    if [ "$(unpacked "$partial")" -gt "$(unpacked "$partial.before")" ]; then mv "$partial" "$partial.before"; else rm "$partial"; fi
  done
}

# What was received again must be what was there. Where it is not, the cluster's files were put back to an earlier
# time meanwhile: its log is another from there on, and the era is over.
goes_on() {
  local before again length received
  for before in "$1"/*.gz.partial.before; do
    [ -e "$before" ] || continue
    again=${before%.before} && [ -e "$again" ] || again=${again%.partial}
    [ -e "$again" ] || continue
    length=$(unpacked "$before") received=$(unpacked "$again")
    cmp -sn "$((received < length ? received : length))" <(gzip -dc "$before" 2>/dev/null) <(gzip -dc "$again" 2>/dev/null) \
      || return 1
    [ "$received" -lt "$length" ] || rm "$before"
  done
}

# What was received again is of another log: what was there before takes its place.
put_back() {
  local before
  for before in "$1"/*.gz.partial.before; do
    [ -e "$before" ] || continue
    rm -f "${before%.partial.before}"
    mv "$before" "${before%.before}"
  done
}

# How many bytes can be read of a file that may not be whole
unpacked() { if [ -e "$1" ]; then { gzip -dc "$1" 2>/dev/null || :; } | wc -c; else echo 0; fi; }

# In its place: the file keeps what it takes of the disk, for a full one has no room for another.
say_why() { printf '%-400s\n' "$1" 1<>"$ARCHIVE/receiver.why"; }

receive() {
  local told era
  say_why ''
  while :; do
    if told=$(open_era 2>&1); then
      era=${told##*$'\n'}
      told=$(pg_receivewal -d "$ARCHIVE_SOURCE" --slot="$slot" --create-slot --if-not-exists 2>&1 >/dev/null)
      set_aside "$ARCHIVE/$era/wal"
      if ! printf '%s\n' "$era" | put "$ARCHIVE/receiving" 2>/dev/null; then
        told="error: the archive cannot be written to, its disk may be full"
      else
        told+=$(exec "${with_us[@]}" pg_receivewal -d "$ARCHIVE_SOURCE" -D "$ARCHIVE/$era/wal" --slot="$slot" --synchronous \
          --no-loop $([ "$compress" = none ] || printf %s "--compress=$compress") 2>&1 >/dev/null)
      fi
      # What is asked for next is gone there, or never was: the chain ends here, and another begins.
      if grep -qE 'has already been removed|is ahead of the WAL flush|invalidated|can no longer get changes' <<<"$told"; then
        end_era "$ARCHIVE/$era" "$(reason "$told")" \
          && pg_receivewal -d "$ARCHIVE_SOURCE" --slot="$slot" --drop-slot >/dev/null 2>&1
      fi
    fi
    say_why "$(reason "$told")"
    rm -f "$ARCHIVE/receiving"
    sleep 1
  done
}

# --- what is asked for ---

progress() { printf '%s\n' "$*" | put "$answer.progress"; }

answer() { printf '%s\n' "$@" | put "$answer"; }

# fail WORDS: nothing that did not come up is left
fail() { [ -z "${data:-}" ] || drop; answer failed "$*"; exit 0; }

room() { df -Pk "$ARCHIVE" | awk 'NR == 2 {print int($4 / 1024)}'; }

size() { du -sm "$1" | cut -f 1; }

base() {
  local era told new name
  era=$(cat "$ARCHIVE/receiving" 2>/dev/null) || fail not-receiving
  new=$ARCHIVE/$era/incoming
  rm -rf "$new"
  progress copying
  told=$(exec "${with_us[@]}" pg_basebackup -d "$ARCHIVE_SOURCE" -D "$new" -X stream -c fast --manifest-checksums=SHA256 2>&1) \
    || { rm -rf "$new"; fail not-made "$(reason "$told")"; }
  progress verifying
  told=$(exec "${with_us[@]}" pg_verifybackup -q "$new" 2>&1) || { rm -rf "$new"; fail not-made "$(reason "$told")"; }
  sync -f "$new"
  name=$(stamp)
  mv "$new" "$ARCHIVE/$era/base/$name" && sync -f "$ARCHIVE/$era/base" || fail not-made "$name"
  answer done "$era $name"
}

# recover ERA BASE KIND TARGET ROLE: KIND is time or lsn
recover() {
  local base=$ARCHIVE/$1/base/$2 data=$ARCHIVE/side/data log=$ARCHIVE/side/log why=$ARCHIVE/side/why
  local free needed pid made_by here password told
  drop
  mkdir -p "$ARCHIVE/side/ahead" "$SIDE_SOCKETS"
  made_by=$(cat "$base/PG_VERSION" 2>/dev/null) here=$(postgres --version | sed -E 's/.* ([0-9]+)[.a-z].*/\1/')
  [ -z "$made_by" ] || [ "$made_by" = "$here" ] || fail other-version "$made_by $here"
  progress verifying
  told=$(exec "${with_us[@]}" pg_verifybackup -q "$base" 2>&1) || fail base-damaged "$(reason "$told")"
  needed=$(size "$base") free=$(room)
  [ "$free" -gt $((needed + 64)) ] || fail no-space "$needed $free"
  progress unpacking
  told=$(exec "${with_us[@]}" cp -a --reflink=auto "$base" "$data" 2>&1) || fail no-copy "$(tail -n 1 <<<"$told")"
  chmod 700 "$data"
  rm -rf "${data:?}"/{postmaster.pid,standby.signal}
  touch "$data/recovery.signal"
  printf 'local all all trust\nhost all all samenet scram-sha-256\n' >"$ARCHIVE/side/hba"
  export ARCHIVER=$self ERA_WAL=$ARCHIVE/$1/wal SIDE_WHY=$why
  cat >>"$data/postgresql.auto.conf" <<CONF
restore_command = 'bash "\$ARCHIVER" fetch %f %p'
recovery_target = ''
recovery_target_name = ''
recovery_target_xid = ''
recovery_target_time = ''
recovery_target_lsn = ''
recovery_target_timeline = 'current'
recovery_target_inclusive = on
recovery_target_$3 = '$4'
recovery_target_action = 'promote'
primary_conninfo = ''
primary_slot_name = ''
archive_mode = off
archive_command = ''
archive_cleanup_command = ''
recovery_end_command = ''
shared_preload_libraries = ''
hot_standby = off
fsync = off
full_page_writes = off
ssl = off
logging_collector = off
log_destination = 'stderr'
timezone = 'UTC'
log_timezone = 'UTC'
CONF
  : >"$log"
  "${own_session[@]}" postgres -D "$data" -c "port=$port" -c "listen_addresses=${SIDE_LISTEN:-}" -c "hba_file=$ARCHIVE/side/hba" \
    -c "unix_socket_directories=$SIDE_SOCKETS" -c unix_socket_permissions=0700 >>"$log" 2>&1 &
  pid=$!
  while :; do
    # Nobody may connect before the target is reached: a hot standby would pause for ever at a setting that was raised.
    [ "$(side_psql 'SELECT pg_is_in_recovery()' 2>/dev/null)" = f ] && break
    if ! kill -0 "$pid" 2>/dev/null; then
      [ -s "$why" ] && fail "$(tail -n 1 "$why")"
      grep -q 'No space left' "$log" && fail no-space "$needed $(room)"
      fail not-reached "$(reason "$(cat "$log")")"
    fi
    progress replaying "$(replayed "$data")"
    sleep 0.2
  done
  password=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
  told=$(side_psql "ALTER ROLE \"$5\" LOGIN PASSWORD '$password'" 2>&1) || fail not-reached "$(reason "$told")"
  answer done "${SIDE_ADDRESS:-$SIDE_SOCKETS} $port $password"
}

side_psql() { psql -XAtq -h "$SIDE_SOCKETS" -p "$port" -U postgres -d postgres -c "$1"; }

# The time of the last checkpoint that was replayed, in seconds since 1970
replayed() { date -d "$(pg_controldata "$1" 2>/dev/null | sed -n 's/^Time of latest checkpoint: *//p')" +%s 2>/dev/null; }

# What was brought up goes without a trace.
drop() {
  local pid end=$((SECONDS + 30))
  if pid=$(head -n 1 "$ARCHIVE/side/data/postmaster.pid" 2>/dev/null) && is_side "$pid"; then
    kill -QUIT "$pid"
    while is_side "$pid"; do
      [ "$SECONDS" -lt "$end" ] || { kill -KILL "$pid"; sleep 0.5; break; }
      sleep 0.1
    done
  fi
  rm -rf "$ARCHIVE/side" 2>/dev/null || { sleep 1; rm -rf "$ARCHIVE/side"; }  # something was still unpacking into it
  rm -f "$ARCHIVE/side.json"  # which says what it is of
}

# By its command line: where it works may only be asked by who is in the same user namespace.
is_side() { tr '\0' ' ' <"/proc/$1/cmdline" 2>/dev/null | grep -qF "postgres -D $ARCHIVE/side/data "; }

# last ERA LSN: where the last whole transaction after LSN lies, and when it was
last() {
  local wal=$ARCHIVE/$1/wal segments=$ARCHIVE/reading found name
  rm -rf "$segments" && mkdir -p "$segments"
  found=$(wal_name "$2" "$1")
  for name in $(ls "$wal" | grep -oE '^[0-9A-F]{24}' | sort -u); do
    [[ ${name:8} < ${found:8} ]] || ERA_WAL=$wal SIDE_WHY=/dev/null unpack "$name" "$segments/$name" || break
  done
  found=$(pg_waldump -p "$segments" -t "$((16#${found:0:8}))" -s "$2" -r Transaction 2>/dev/null | grep -E 'desc: COMMIT ' | tail -n 1 \
    | sed -nE 's/.* lsn: ([0-9A-F]+\/[0-9A-F]+), .*desc: COMMIT ([0-9-]+ [0-9:.]+) .*/\1 \2/p')
  rm -rf "$segments"
  [ -n "$found" ] || fail nothing-after
  answer done "$found"
}

# wal_name LSN ERA: the segment that holds LSN, of the newest timeline that has it
wal_name() {
  local files; files=$(files_per_log "$ARCHIVE/$2")
  local rest; rest=$(printf '%08X%08X' "$((16#${1%/*}))" $((16#${1#*/} * files >> 32)))
  ls "$ARCHIVE/$2/wal" | grep -oE "^[0-9A-F]{8}$rest" | sort | tail -n 1
}

# How many segments make 4 GB, from which on the middle of their names counts on
files_per_log() { echo $((4096 / $(sed -n 's/^segment=//p' "$1/era"))); }

# --- the restore_command ---

# fetch NAME TO: while PostgreSQL replays it, the next ones are unpacked
fetch() {
  local ahead=${SIDE_WHY%/*}/ahead files number next
  [ ! -e "$ahead/$1.lock" ] || flock "$ahead/$1.lock" true  # until it is there, or who unpacked it was killed
  mv "$ahead/$1" "$2" 2>/dev/null || unpack "$1" "$2" || return 1
  rm -f "$ahead/$1".*
  [[ $1 =~ ^[0-9A-F]{24}$ ]] || return 0
  files=$(files_per_log "$ERA_WAL/..")
  for number in 1 2; do
    number=$((16#${1:8:8} * files + 16#${1:16} + number))
    next=$(printf '%s%08X%08X' "${1:0:8}" $((number / files)) $((number % files)))
    [ -e "$ERA_WAL/$next.gz" ] && [ ! -e "$ahead/$next.lock" ] || continue
    : >"$ahead/$next.lock"
    flock "$ahead/$next.lock" bash "$0" unpack_ahead "$next" "$ahead" </dev/null >/dev/null 2>&1 &
  done
}

unpack_ahead() { gzip -dc "$ERA_WAL/$1.gz" >"$2/$1.part" && mv "$2/$1.part" "$2/$1"; }

# unpack NAME TO: a finished segment is whole or it is refused. The one that was being written ends where it ends:
# what it lacks is filled with zeros, which PostgreSQL takes for the end of the log.
unpack() {
  local from=$ERA_WAL/$1 to=$2 partial
  if [ -f "$from" ]; then
    cp "$from" "$to"
  elif [ -f "$from.gz" ]; then
    gzip -dc "$from.gz" >"$to" || { gzip -tq "$from.gz" || echo "damaged $1" >>"$SIDE_WHY"; rm -f "$to"; return 1; }
  elif [ -f "$from.partial" ]; then
    cp "$from.partial" "$to"
  elif [ -f "$from.gz.partial" ] || [ -f "$from.gz.partial.before" ]; then
    partial=$from.gz.partial
    [ "$(unpacked "$partial.before")" -le "$(unpacked "$partial")" ] || partial=$partial.before
    gzip -dc "$partial" >"$to" 2>/dev/null
    truncate -s "$(sed -n 's/^segment=//p' "$ERA_WAL/../era")M" "$to"
  else
    [[ $1 == *.history ]] || echo "missing $1" >>"$SIDE_WHY"
    return 1
  fi
}

# --- serving ---

serve() {
  : "${ARCHIVE:?}" "${ARCHIVE_SOURCE:?}" "${SIDE_SOCKETS:?}"
  mkdir -p "$ARCHIVE"/{requests,answers}
  exec 9>"$ARCHIVE/.lock"
  flock -n 9 || { echo "Another archiver works in $ARCHIVE." >&2; exit 1; }
  drop
  rm -rf "$ARCHIVE"/*/incoming "$ARCHIVE"/{reading,receiving} "$ARCHIVE"/*.new "$ARCHIVE"/*/*.new
  local name name_of_era receiver='' job='' turn=0
  for name in $(cd "$ARCHIVE/requests" && ls -- *.begun 2>/dev/null); do
    interrupted "${name%.begun}"
    rm -f "$ARCHIVE/requests/${name%.begun}".* "$ARCHIVE/answers/${name%.begun}.progress"
  done
  set -m  # each of both is a group of its own, and ends as one
  trap 'end_group "$receiver"; end_group "$job"; drop; exit 0' TERM INT
  while :; do
    touch "$ARCHIVE/alive"
    if [ $((turn++ % 50)) -eq 0 ] && name_of_era=$(cat "$ARCHIVE/receiving" 2>/dev/null) && ! goes_on "$ARCHIVE/$name_of_era/wal"; then
      end_group "$receiver"
      end_era "$ARCHIVE/$name_of_era" "the cluster was put back to an earlier time" && put_back "$ARCHIVE/$name_of_era/wal"
      rm -f "$ARCHIVE/receiving"
    fi
    [ -n "$receiver" ] && kill -0 "$receiver" 2>/dev/null || { "${with_us[@]}" bash "$self" receive 9>&- & receiver=$!; }
    if [ -n "$job" ] && ! kill -0 "$job" 2>/dev/null; then
      wait "$job" || interrupted "$name"
      rm -f "$ARCHIVE/requests/$name".* "$ARCHIVE/answers/$name.progress"
      job=
    elif [ -n "$job" ] && [ -e "$ARCHIVE/requests/$name.stop" ]; then
      end_group "$job"
    fi
    if [ -z "$job" ]; then
      name=$(ls "$ARCHIVE/requests" | grep -vE '\.(new|stop|begun)$' | head -n 1)
      if [ -n "$name" ]; then
        mv "$ARCHIVE/requests/$name" "$ARCHIVE/requests/$name.begun"
        "${with_us[@]}" bash "$self" job "$name" 9>&- &
        job=$!
      fi
    fi
    sleep 0.2
  done
}

# What was killed has given no answer.
interrupted() {
  grep -qx recover "$ARCHIVE/requests/$1.begun" && drop
  answer=$ARCHIVE/answers/$1
  answer failed interrupted
}

end_group() { [ -z "$1" ] || kill -KILL -- "-$1" 2>/dev/null; }

job() {
  local words
  answer=$ARCHIVE/answers/$1
  mapfile -t words <"$ARCHIVE/requests/$1.begun"
  case ${words[0]} in
    base | recover | last) "${words[@]}" ;;
    drop) drop; answer done ;;
    *) fail unknown "${words[0]}" ;;
  esac
}

case ${1:-} in
  serve | receive) "$1" ;;
  job) job "$2" ;;
  fetch | unpack_ahead) "$@" ;;
  *) sed -n '2,24s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
