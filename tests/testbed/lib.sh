# Sourced by the scripts beside it. They set $run, the folder that holds everything of one test bed.

# start NAME CMD…: a daemon in a session of its own, its id in $run/NAME.pid, its output in $run/log/NAME
start() {
  local name=$1; shift
  mkdir -p "$run/log"
  setsid --fork bash -c 'echo $$ > "$0"; exec "${@:2}" > "$1" 2>&1 < /dev/null' "$run/$name.pid" "$run/log/$name" "$@"
}
# stop NAME: asks it to end and waits until it has (10 s, then kills it)
stop() {
  local pid; pid=$(cat "$run/$1.pid" 2> /dev/null) || return 0
  kill "$pid" 2> /dev/null || true
  for _ in $(seq 100); do kill -0 "$pid" 2> /dev/null || break; sleep 0.1; done
  kill -9 "$pid" 2> /dev/null || true
  rm -f "$run/$1.pid"
}
# until_ok SECONDS CMD…: repeats it until it succeeds
until_ok() {
  local end=$((SECONDS + $1)); shift
  until "$@" > /dev/null 2>&1; do
    [ $SECONDS -lt $end ] || { echo "timed out: $*" >&2; return 1; }
    sleep 0.2
  done
}
