#!/usr/bin/env bash
# Makes .environment/extra/NAME: an environment of its own for packages whose pins clash with the suite's.
# environment/extra.bash NAME      from requirements/extra/NAME.lock; does nothing where it is up to date
set -euo pipefail

root=$(dirname -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")")
python=$root/.environment/python/bin/python
[ -x "$python" ] || { printf 'extra: call ./run first, it makes the environment that this one stands on\n' >&2; exit 1; }
PYTHONPATH=$root exec "$python" -m mivla_ros.extra_environment "$@"
