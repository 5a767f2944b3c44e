# Start-up file of the shell that `./run` opens: the user's own, then the environment's paths on top of what that changed.
# shellcheck disable=SC1090,SC1091
[ ! -r ~/.bashrc ] || . ~/.bashrc
. "${MIVLA_INSIDE%%:*}/.environment/paths.bash"
if command -v register-python-argcomplete >/dev/null; then
  eval "$(register-python-argcomplete ros2)"
fi
PS1="(mivla) ${PS1-\$ }"
