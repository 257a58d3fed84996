# Sourced by the scripts beside it: how they speak, and how they install what is missing.
# Everything they say goes to stderr, so that stdout holds results only.

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

if [ -t 2 ] && [ -z "${NO_COLOR:-}" ]; then
  bold=$'\e[1m' red=$'\e[31m' dim=$'\e[2m' plain=$'\e[0m'
else
  bold='' red='' dim='' plain=''
fi
# Each step says what it does before it does it, and takes the time of the one before.
step() { printf '%s==>%s %s%s%s\n' "$bold" "$plain" "$bold" "$*" "$plain" >&2; }
note() { printf '    %s%s%s\n' "$dim" "$*" "$plain" >&2; }
# die WHAT-FAILED NEXT-STEP…: the last words of a script
die() {
  printf '%serror:%s %s\n' "$red" "$plain" "$1" >&2
  shift
  local next
  for next in "$@"; do printf '  next: %s\n' "$next" >&2; done
  exit 1
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}
systemd_runs() { [ -d /run/systemd/system ]; }
# systemd_unit FOLDER: deploy/systemd/loco.service for the programs in that folder
systemd_unit() { sed "s|^ExecStart=/usr/local/bin/|ExecStart=$1/|" "$repo/deploy/systemd/loco.service"; }

# packages_in SECTION…: the lines of those sections of scripts/packages
packages_in() {
  awk -v wanted=" $* " '
    { sub(/#.*/, ""); gsub(/^[ \t]+|[ \t]+$/, "") }
    /^\[.*\]$/ { section = substr($0, 2, length($0) - 2); next }
    NF && index(wanted, " " section " ")' "$repo/scripts/packages"
}

# missing_packages SECTION…: the packages to install, one a line. Fast where nothing is missing: apt is not asked.
missing_packages() {
  local -A installed=() candidate=()
  local state name line choice found
  while read -r state name; do
    [ "$state" = ii ] && installed[$name]=1
  done < <(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' 2> /dev/null)

  local undecided=()
  while IFS= read -r line; do
    choice=${line#\? }
    choice=${choice%% *}
    [ -n "${installed[$choice]:-}" ] || undecided+=("$line")
  done < <(packages_in "$@")
  [ ${#undecided[@]} -gt 0 ] || return 0

  # The alternatives in their order: the first that is there or can be had decides.
  while IFS= read -r name; do candidate[$name]=1; done < <(
    printf '%s\n' "${undecided[@]}" | tr -d '|?' | xargs apt-cache policy 2> /dev/null |
      awk '/^[^ ]+:$/ { name = substr($1, 1, length($1) - 1) } /Candidate:/ && $2 != "(none)" { print name }')
  for line in "${undecided[@]}"; do
    found=
    for choice in ${line//[|?]/ }; do
      if [ -n "${installed[$choice]:-}" ]; then found=yes; break; fi
      if [ -n "${candidate[$choice]:-}" ]; then echo "$choice"; found=yes; break; fi
    done
    # Left for apt to refuse by name, unless the line allows for its absence.
    [ -n "$found" ] || [ "${line#\?}" != "$line" ] || echo "${line%% *}"
  done
}

# The services that packages would start by themselves: Debian's docker-registry is an open registry on :5000, its
# HAProxy, Docker and etcd ones of the system's; Loco runs its own. While packages are installed, a policy (invoke-rc.d(8))
# refuses these and asks the policy that was there for all else.
policy=/usr/sbin/policy-rc.d
policy_mark='# made by Loco for one installation'
hold_services() {
  release_services   # of an installation that was killed
  [ ! -e $policy ] || as_root mv $policy $policy.before-loco
  as_root tee $policy > /dev/null <<POLICY
#!/bin/sh
$policy_mark
case "\$1" in haproxy|docker-registry|docker|containerd|etcd|postgresql) exit 101 ;; esac
[ ! -x $policy.before-loco ] || exec $policy.before-loco "\$@"
exit 0
POLICY
  as_root chmod 755 $policy
}
release_services() {
  grep -qsF "$policy_mark" $policy || return 0
  if [ -e $policy.before-loco ]; then
    as_root mv $policy.before-loco $policy
  else
    as_root rm -f $policy
  fi
}
# keep_stopped PACKAGE…: also at the next boot, for those whose service was just installed and is not for the system
keep_stopped() {
  local package
  for package in "$@"; do
    case $package in haproxy | docker-registry | etcd-server | postgresql) ;; *) continue ;; esac
    package=${package%-server}   # the service's name
    if systemd_runs; then
      as_root systemctl disable --quiet --now "$package" || true
    elif [ -x /usr/sbin/update-rc.d ] && [ -e "/etc/init.d/$package" ]; then
      as_root update-rc.d "$package" disable > /dev/null 2>&1 || true
    fi
  done
}

# install_missing SECTION…: installs what is missing of these lists, and nothing else.
install_missing() {
  command -v apt-get > /dev/null ||
    die 'this is no Debian or Ubuntu: apt-get is not here' "install what $repo/scripts/packages lists by hand"
  local missing
  mapfile -t missing < <(missing_packages "$@")
  [ ${#missing[@]} -gt 0 ] || return 0
  [ "$(id -u)" = 0 ] || command -v sudo > /dev/null ||
    die "packages are missing: ${missing[*]}" 'run this as root, or install sudo'
  note "installing ${#missing[@]} packages: ${missing[*]}"
  (
    trap release_services EXIT
    trap 'exit 130' INT TERM
    log=$(mktemp)
    hold_services
    apt=(env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -q -y)
    as_root "${apt[@]}" update > "$log" 2>&1 || {
      tail -n 15 "$log" >&2
      die 'apt-get update failed' 'see the lines above: is the network there, and are the sources in /etc/apt right?'
    }
    # The lists may be new: a package that had no candidate before may have one now.
    mapfile -t missing < <(missing_packages "$@")
    as_root "${apt[@]}" install --no-install-recommends "${missing[@]}" > "$log" 2>&1 || {
      tail -n 25 "$log" >&2
      die "apt-get could not install: ${missing[*]}" "see the lines above; the whole output is in $log"
    }
    rm -f "$log"
  ) || exit
  keep_stopped "${missing[@]}"
}

# engine_answers: whether a container engine can be used: DOCKER_HOST, or the sockets where Docker and Podman listen
engine_answers() {
  local host
  for host in "${DOCKER_HOST:-}" unix:///var/run/docker.sock unix:///run/podman/podman.sock \
    "unix://${XDG_RUNTIME_DIR:-/nonexistent}/docker.sock" "unix://${XDG_RUNTIME_DIR:-/nonexistent}/podman/podman.sock"; do
    case $host in
      unix://*) curl -sf -m 5 -o /dev/null --unix-socket "${host#unix://}" http://engine/_ping && return 0 ;;
      tcp://*) curl -sf -m 5 -o /dev/null "http://${host#tcp://}/_ping" && return 0 ;;
    esac
  done
  return 1
}

# build_jobs: one compiler a core, but none without 1.5 GiB of memory for it
build_jobs() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/^MemAvailable/ { print int($2 / 1572864) }' /proc/meminfo)
  [ "$memory" -ge 1 ] || memory=1
  echo $((cores < memory ? cores : memory))
}
