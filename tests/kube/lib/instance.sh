# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Settings, process handling and API access that the commands of this directory share. Sourced; each
# command sets `set -euo pipefail` itself. Every variable of the environment that is read here is listed
# in README.md.
# shellcheck disable=SC2034  # the variables are for the commands

KUBE_VERSION=1.20.2
CACHE=${SWERVE_KUBE_CACHE:-/var/cache/swerve-kube}/$KUBE_VERSION
NAME=${SWERVE_KUBE_NAME:-main}
RUN=${SWERVE_KUBE_RUN:-/run/swerve-kube}/$NAME
POD_CIDR=10.244.0.0/16
PATH=$PATH:/usr/sbin:/sbin

die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

say() {
	echo "${0##*/}: $*"
}

[[ $NAME =~ ^[a-z0-9][a-z0-9-]*$ ]] || die "SWERVE_KUBE_NAME: letters, digits, hyphens: '$NAME'"

# The comment head of a command is its manual.
help() {
	awk 'NR > 3 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"
}

want_help() {
	case ${1:-} in
	-h | --help | help)
		help
		exit 0
		;;
	esac
}

usage() {
	help >&2
	exit 2
}

need_root() {
	[ "$(id -u)" = 0 ] || die "must run as root"
}

need_build() {
	[ -f "$CACHE/done" ] || die "run tests/kube/build first (nothing in $CACHE)"
}

# The base port and the service range of a running instance are kept in its directory, so that only `up`
# needs the variables.
load_settings() {
	local port=${SWERVE_KUBE_PORT:-16440} cidr=${SWERVE_KUBE_SERVICE_CIDR:-10.96.0.0/16}
	[ ! -f "$RUN/settings" ] || read -r port cidr <"$RUN/settings"
	BASE_PORT=$port SERVICE_CIDR=$cidr
	ETCD_PORT=$((port + 1)) PEER_PORT=$((port + 2)) API_PORT=$((port + 3))
	KCM_PORT=$((port + 4)) HEALTHZ_PORT=$((port + 5)) METRICS_PORT=$((port + 6))
	URL=https://127.0.0.1:$API_PORT
}

need_instance() {
	[ -f "$RUN/settings" ] || die "no instance '$NAME' in ${RUN%/*} (run the up command first)"
	load_settings
}

# Processes. A PID file holds the PID and the kernel's start time of the process, so that a PID that was
# given to another process since is never signalled.

# proc_state PID: prints its state and start time.
proc_state() {
	local s
	s=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
	s=${s##*) }
	# shellcheck disable=SC2086  # split on purpose
	set -- $s
	echo "$1 ${20}"
}

# alive NAME: sets PID when the process of that PID file runs.
alive() {
	local start state now
	{ read -r PID start <"$RUN/pid/$1"; } 2>/dev/null || return 1
	read -r state now < <(proc_state "$PID") || return 1
	[ "$now" = "$start" ] && [ "$state" != Z ]
}

# spawn NAME COMMAND...: a daemon with a log and a PID file.
spawn() {
	local name=$1 pid start
	shift
	! alive "$name" || return 0
	mkdir -p "$RUN/pid" "$RUN/log"
	setsid "$@" >>"$RUN/log/$name.log" 2>&1 </dev/null &
	pid=$!
	start=$(proc_state $pid) || die "$name did not start, see $RUN/log/$name.log"
	echo "$pid ${start#* }" >"$RUN/pid/$name"
	disown $pid
}

# send NAME SIGNAL
send() {
	alive "$1" || die "$1 does not run"
	kill -s "$2" "$PID"
}

# end NAME [SECONDS]: SIGTERM, and SIGKILL when it still runs then.
end() {
	local name=$1 limit=${2:-10} until
	if alive "$name"; then
		kill -s CONT "$PID" && kill -s TERM "$PID"
		until=$((SECONDS + limit))
		while alive "$name" && [ $SECONDS -lt $until ]; do sleep 0.05; done
		if alive "$name"; then kill -s KILL "$PID"; fi
		while alive "$name"; do sleep 0.02; done
	fi
	rm -f "$RUN/pid/$name"
}

# died NAME: ends the command with the last lines of the log.
died() {
	tail -n 5 "$RUN/log/$1.log" >&2
	die "$1 ended or is not ready, see $RUN/log/$1.log"
}

# api METHOD PATH [CURL-OPTION...]: as the administrator.
api() {
	local method=$1 path=$2
	shift 2
	curl -sS --noproxy '*' --cacert "$RUN/ca.crt" -X "$method" \
		-H "Authorization: Bearer $(cat "$RUN/tokens/admin")" "$@" "$URL$path"
}

# The same, but prints only the HTTP status.
api_code() {
	api "$@" -o /dev/null -w '%{http_code}' 2>/dev/null || true
}

# post PATH JSON: creates an object; one that exists is left alone.
post() {
	local code
	code=$(api_code POST "$1" -H 'Content-Type: application/json' -d "$2")
	case $code in
	201 | 409) ;;
	*) die "POST $1: HTTP $code" ;;
	esac
}

# patch PATH JSON
patch() {
	local code
	code=$(api_code PATCH "$1" -H 'Content-Type: application/merge-patch+json' -d "$2")
	[ "$code" = 200 ] || die "PATCH $1: HTTP $code"
}

# True in a network namespace other than the machine's, from which no route leads out. In a sandbox of
# tests/harness/sandbox that is always so; elsewhere the namespace must have a name.
isolated() {
	[ -n "${SANDBOX:-}" ] || [ -n "$(ip netns identify)" ] || return 1
	! ip route show default | grep -qvE '^(unreachable|blackhole|prohibit) '
}

# enter_netns "$@": goes on in the network namespace of the instance.
enter_netns() {
	local part
	for part in apiserver etcd kcm; do
		alive $part || continue
		[ "/proc/$PID/ns/net" -ef /proc/self/ns/net ] || exec nsenter --net="/proc/$PID/ns/net" "$0" "$@"
		return 0
	done
}
