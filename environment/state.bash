# What `run` asks on every call: which ROS is used, and whether what was made is still up to date.
# Sourced by `run`, which sets `root`. Keys are hashes of the files that define a thing.

made=$root/.environment

fail() {
  printf 'run: %s\n' "$*" >&2
  exit 1
}

# Sets ros_kind (apt or wheels) and, for apt, ros_prefix.
find_ros() {
  local first inside=${MIVLA_INSIDE-}
  ros_kind=wheels ros_prefix=
  if [ -n "${MIVLA_ROS_PREFIX-}" ]; then
    [ "$MIVLA_ROS_PREFIX" != wheels ] || return 0
    [ -r "$MIVLA_ROS_PREFIX/setup.bash" ] || fail "MIVLA_ROS_PREFIX=$MIVLA_ROS_PREFIX has no setup.bash"
    ros_kind=apt ros_prefix=$MIVLA_ROS_PREFIX
  elif [ "${inside%%:*}" = "$root" ]; then # called from inside itself: as the outer call
    first=${inside#*:}
    ros_kind=${first%%:*} ros_prefix=${first#*:}
  elif [ -n "${ROS_DISTRO-}" ]; then
    [ "$ROS_DISTRO" = jazzy ] || fail "this shell has ROS $ROS_DISTRO sourced, and the suite needs ROS 2 jazzy: start from a shell without it"
    first=$(ros_prefix_of rclpy) || fail "ROS_DISTRO is jazzy, but no folder of AMENT_PREFIX_PATH holds rclpy: source ROS 2 Jazzy again"
    ros_kind=apt ros_prefix=$first
  elif [ -r /opt/ros/jazzy/setup.bash ]; then
    ros_kind=apt ros_prefix=/opt/ros/jazzy
  fi
}

# Prints the folder of AMENT_PREFIX_PATH that holds a package.
ros_prefix_of() {
  local prefix
  local -a prefixes
  IFS=: read -ra prefixes <<<"${AMENT_PREFIX_PATH-}"
  for prefix in ${prefixes[@]+"${prefixes[@]}"}; do
    if [ -e "$prefix/share/ament_index/resource_index/packages/$1" ]; then
      printf '%s\n' "$prefix"
      return 0
    fi
  done
  return 1
}

hash_text() {
  local sum
  sum=$(sha256sum)
  printf '%s\n' "${sum%% *}"
}

is_stamped() { # FILE KEY
  local stamp=
  [ -r "$1" ] && read -r stamp <"$1" && [ "$stamp" = "$2" ]
}

environment_key() {
  {
    printf '%s\n' "$root" "$ros_kind" "$ros_prefix"
    cd "$root/environment" && cat "requirements/$ros_kind.lock" requirements/second_wheel.lock second_wheel.csv assemble.py
  } | hash_text
}

# Of the files that colcon links into install/ only the names count; of those it reads, the contents too.
package_files() { # FOLDER...
  find "$@" \( -name .git -o -name .environment -o -name __pycache__ -o -path ./build -o -path ./install -o -path ./log \
    -o -path ./docs -o -path ./test -o -path ./environment \) -prune -o -type f \( "${name_tests[@]}" \) -print0 | sort -z
}

definition_key() { # FOLDER FIND-ROOT...
  local folder=$1
  shift
  (
    cd "$folder"
    name_tests=(-name package.xml -o -name setup.py -o -name setup.cfg -o -name CMakeLists.txt
      -o -name '*.msg' -o -name '*.srv' -o -name '*.action' -o -path '*/parameters/*.yaml' -o -name COLCON_IGNORE)
    package_files "$@" | xargs -0r sha256sum
    name_tests=(-path '*/resource/*' -o -path '*/launch/*' -o -path '*/config/*' -o -path '*/rviz/*' -o -path '*/urdf/*')
    package_files "$@" | tr '\0' '\n'
  ) | hash_text
}

environment_is_current() {
  python_is_current && rendering_is_known && { [ "$ros_kind" = apt ] || overlay_is_current; }
}

python_is_current() {
  env_key=$(environment_key)
  is_stamped "$made/python/made_from" "$env_key"
}

rendering_is_known() {
  [ -n "${MUJOCO_GL-}" ] || [ -r "$made/mujoco_gl" ]
}

overlay_is_current() {
  overlay_key=$env_key-$(definition_key "$root/environment/overlay" .)
  is_stamped "$made/overlay/made_from" "$overlay_key"
}

workspace_is_current() {
  workspace_key=$env_key-${overlay_key:-apt}-$(definition_key "$root" .)
  is_stamped "$made/workspace_made_from" "$workspace_key" && [ -r "$root/install/local_setup.bash" ]
}

paths_are_current() {
  [ -r "$made/paths.bash" ] && [ ! "$root/install/local_setup.bash" -nt "$made/paths.bash" ] &&
    [ ! "$made/python/made_from" -nt "$made/paths.bash" ] && [ ! "$root/install" -nt "$made/paths.bash" ]
}

# Puts this process into the environment; what is already inside stays as it is.
enter() {
  local inside=$root:$ros_kind:$ros_prefix
  [ "${MIVLA_INSIDE-}" != "$inside" ] || return 0
  set +u
  if [ "$ros_kind" = apt ] && [ "${ROS_DISTRO-}" != jazzy ]; then
    # shellcheck disable=SC1091
    . "$ros_prefix/setup.bash"
  fi
  # shellcheck disable=SC1091
  . "$made/paths.bash"
  set -u
  export MIVLA_INSIDE=$inside
  if [ -z "${MUJOCO_GL-}" ] && [ -z "${DISPLAY-}${WAYLAND_DISPLAY-}" ] && [ -r "$made/mujoco_gl" ]; then
    read -r MUJOCO_GL <"$made/mujoco_gl"
    export MUJOCO_GL
  fi
}
