# For scripts/package and scripts/cross-test: what building for another architecture needs. To be sourced.

sudo=()
[ "$(id -u)" = 0 ] || sudo=(sudo)

# need COMMAND PACKAGE…: installs the Debian packages that bring a command, if it is missing.
need() {
    local command=$1
    shift
    command -v "$command" >/dev/null && return
    "${sudo[@]}" apt-get update -qq >&2
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >&2
}

# cross TARGET: linker, Rust's standard library and emulator for a target; then cargo builds, and cargo test runs, for it.
cross() {
    local gnu arch variable
    case "$1" in
        aarch64-unknown-linux-gnu) gnu=aarch64-linux-gnu arch=arm64 ;;
        armv7-unknown-linux-gnueabihf) gnu=arm-linux-gnueabihf arch=armhf ;;
        *) echo "$1 is none of aarch64-unknown-linux-gnu, armv7-unknown-linux-gnueabihf" >&2; return 2 ;;
    esac
    need "$gnu-gcc" "gcc-$gnu" "libc6-dev-$arch-cross"
    rustup target add "$1"
    variable=$(tr 'a-z-' 'A-Z_' <<<"$1")
    export "CARGO_TARGET_${variable}_LINKER=$gnu-gcc"
    export "CARGO_TARGET_${variable}_RUNNER=qemu-${gnu%%-*} -L /usr/$gnu"
}
