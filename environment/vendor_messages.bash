#!/usr/bin/env bash
# Builds our stand-ins for the vendors' message packages into .environment/vendor_messages, for tests of the drivers'
# live topics only. Nobody needs them who has the vendors' own packages sourced.
# ./run --no-build environment/vendor_messages.bash
set -euo pipefail

root=$(dirname -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")")
made=$root/.environment/vendor_messages
mkdir -p "$made"
cd "$made"
colcon --log-base log build --base-paths "$root/test/vendor_messages" --packages-select piper_msgs arm_control arx5_arm_msg
touch "$made/made"
