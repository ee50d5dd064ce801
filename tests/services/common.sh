# What the scripts of this folder share. Sourced, never run.
# shellcheck shell=bash

# Prints a message for people and ends with 1: the user can mend it.
fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# Prints a free loopback port. Taken below the kernel's ephemeral range, so that no outgoing
# connection can grab it between here and the service's own bind; at random, so that two test runs
# on one machine do not meet. `start` tries again with other ports should they meet all the same.
free_port() {
    local port
    while :; do
        port=$((20000 + SRANDOM % 12000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    done
    echo "$port"
}

# Whether the process in a pid file is alive and ours. The pid may have been given to a stranger
# since, so its environment must have the setting that only our process has.
alive() {
    local pid_file=$1 setting=$2 pid
    pid=$(head -n 1 "$pid_file" 2>/dev/null) && [[ -n $pid ]] || return 1
    grep -qzxF -- "$setting" "/proc/$pid/environ" 2>/dev/null
}

# Waits until a command succeeds, at most so many seconds.
await() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < deadline)) || return 1
        sleep 0.05
    done
}
