#!/usr/bin/env bash
# Builds our stand-ins for the vendors' message packages into .environment/vendor_messages, for tests of the drivers'
# live topics only; does nothing for those that are built. Nobody needs them who has the vendors' own packages sourced.
# ./run --no-build environment/vendor_messages.bash [PACKAGE ...]
set -euo pipefail

root=$(dirname -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")")
made=$root/.environment/vendor_messages
mkdir -p "$made"
cd "$made"
exec 9>being_made && flock 9
packages=()
for package in "${@:-piper_msgs arm_control arx5_arm_msg}"; do
  for name in $package; do
    [ -f "install/$name/share/$name/package.xml" ] || packages+=("$name")
  done
done
[ ${#packages[@]} -gt 0 ] || exit 0
colcon --log-base log build --base-paths "$root/test/vendor_messages" --packages-select "${packages[@]}"
